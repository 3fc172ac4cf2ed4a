-- The assistance roster: keyed tokens, dates, categories and sub-districts only.

-- Every file that was taken in, once.
CREATE TABLE roster_version (
    version bigint PRIMARY KEY CHECK (version > 0),
    kind text NOT NULL CHECK (kind IN ('full', 'delta')),
    previous_version bigint,
    as_of timestamptz NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    rows bigint NOT NULL CHECK (rows >= 0),
    refused bigint NOT NULL CHECK (refused >= 0),
    persons_changed bigint NOT NULL CHECK (persons_changed >= 0),
    windows_upserted bigint NOT NULL CHECK (windows_upserted >= 0),
    windows_ended bigint NOT NULL CHECK (windows_ended >= 0),
    key_id text NOT NULL,
    imported_at timestamptz NOT NULL
);

-- One row: the version in force. An import holds it locked, so versions, windows
-- and changes become visible together and in order; a settlement only reads it.
CREATE TABLE roster_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    roster_id uuid NOT NULL DEFAULT gen_random_uuid(),
    version bigint NOT NULL DEFAULT 0,
    as_of timestamptz,
    key_check bytea NOT NULL DEFAULT '',
    last_change bigint NOT NULL DEFAULT 0,
    scan_floor bigint NOT NULL DEFAULT 0,
    CHECK ((version = 0) = (as_of IS NULL)),
    CHECK (scan_floor <= last_change)
);
INSERT INTO roster_head DEFAULT VALUES;

-- One stretch of days of a person in a category. Never deleted, only ended: aid is
-- asked for dates in the past. A window withdrawn before it began ends on the day
-- before it begins, and covers no day.
CREATE TABLE roster_window (
    person bytea NOT NULL CHECK (octet_length(person) = 16),
    category text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    subdistrict text NOT NULL,
    household bytea NOT NULL CHECK (octet_length(household) IN (0, 16)),
    version bigint NOT NULL,
    PRIMARY KEY (person, category, valid_from),
    CHECK (valid_to >= valid_from - 1)
);

-- A person may have had several cards; a card belongs to one person.
CREATE TABLE roster_card (
    card bytea PRIMARY KEY CHECK (octet_length(card) = 16),
    person bytea NOT NULL CHECK (octet_length(person) = 16)
);
CREATE INDEX roster_card_person ON roster_card (person);

-- Whose state changed, in order, for the caches to follow. Only an import writes
-- here, under the lock on roster_head, so seq rises in the order of commits.
CREATE TABLE roster_change (
    seq bigint PRIMARY KEY,
    person bytea NOT NULL,
    version bigint NOT NULL
);
