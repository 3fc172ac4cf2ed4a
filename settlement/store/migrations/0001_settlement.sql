-- Settlements, their keys, visits and accumulators, and the log.
--
-- Keys, visits and log indexes are narrow and never partitioned: their UNIQUE
-- holds for ever. Records and answers, the bulk of the bytes, are partitioned by
-- Shanghai month of the instant of settling, so that old months can move away.
-- Ids are 16 bytes: 2 of the Shanghai day, 14 random. The day keeps each day's
-- rows together in the indexes; it is in the record's clear header anyway.

-- One row for each (facility, key) that ever arrived; decides who is first.
CREATE TABLE settle_key (
    facility_id integer NOT NULL,
    key text COLLATE "C" NOT NULL,
    id bytea NOT NULL,
    month integer NOT NULL,
    tombstone boolean NOT NULL,      -- a reversal came first; id is the reversal's
    late_id bytea,                   -- the original that came after all, declined
    late_month integer,
    PRIMARY KEY (facility_id, key),
    CHECK (tombstone OR late_id IS NULL)
);

CREATE TABLE reversal_key (
    facility_id integer NOT NULL,
    key text COLLATE "C" NOT NULL,
    id bytea NOT NULL,
    month integer NOT NULL,
    PRIMARY KEY (facility_id, key)
);

CREATE TABLE settlement (
    id bytea PRIMARY KEY,
    month integer NOT NULL,
    facility_id integer NOT NULL,
    key text COLLATE "C" NOT NULL,
    state "char" NOT NULL CHECK (state IN ('s', 'r', 'd')),  -- settled -> reversed
    person bytea,                    -- NULL where the card is on no roster
    visit_no text COLLATE "C" NOT NULL,
    visit_identity bytea,            -- NULL for declines: they hold no visit
    care_type text NOT NULL,
    service_start date NOT NULL,
    service_end date NOT NULL,
    occurred_at timestamptz NOT NULL,
    settled_at timestamptz NOT NULL,
    operator text NOT NULL,
    sandbox boolean NOT NULL,
    category text,
    subdistrict text NOT NULL,
    roster_version bigint NOT NULL,
    policy_no integer,
    reason text NOT NULL,
    repeat_reason text,
    total_fen bigint NOT NULL,
    funds_fen bigint NOT NULL,
    base_fen bigint NOT NULL,
    aid_fen bigint NOT NULL,
    tilt_fen bigint NOT NULL,
    patient_pays_fen bigint NOT NULL,
    log_index bigint,                -- NULL for declines: they have no leaf
    CHECK (total_fen = funds_fen + aid_fen + patient_pays_fen),
    CHECK (0 <= aid_fen AND aid_fen <= base_fen),
    CHECK (0 <= tilt_fen AND tilt_fen <= aid_fen),
    CHECK ((state = 'd') = (log_index IS NULL)),
    CHECK (state <> 'd' OR aid_fen = 0)
);
CREATE INDEX settlement_visit ON settlement (facility_id, visit_no);
CREATE INDEX settlement_person ON settlement (person, service_start)
    WHERE person IS NOT NULL;

CREATE TABLE reversal (
    id bytea PRIMARY KEY,
    month integer NOT NULL,
    facility_id integer NOT NULL,
    key text COLLATE "C" NOT NULL,
    settlement_id bytea UNIQUE,      -- NULL for a tombstone
    original_key text COLLATE "C",   -- of a tombstone: the key that it stops
    person bytea,
    reason text NOT NULL,
    reversed_at timestamptz NOT NULL,
    operator text NOT NULL,
    sandbox boolean NOT NULL,
    aid_fen bigint NOT NULL CHECK (aid_fen >= 0),
    log_index bigint NOT NULL
);
CREATE INDEX reversal_tombstone ON reversal (facility_id, reversed_at)
    WHERE settlement_id IS NULL;

-- A bill of a visit while it is in force; gone again when it is reversed.
CREATE TABLE visit (
    identity bytea NOT NULL,
    ordinal smallint NOT NULL,       -- above 0 only with a repeat_reason
    id bytea NOT NULL,
    PRIMARY KEY (identity, ordinal)
);

-- Diagnoses stand apart, so that a role can be kept from them.
CREATE SCHEMA clinical;
CREATE TABLE clinical.diagnosis (
    settlement_id bytea PRIMARY KEY,
    codes text[] NOT NULL
);

CREATE TABLE accumulator (
    person bytea NOT NULL,
    year smallint NOT NULL,
    pot text COLLATE "C" NOT NULL,
    used_fen bigint NOT NULL CONSTRAINT accumulator_not_negative CHECK (used_fen >= 0),
    cap_fen bigint,                  -- that held at the last posting; NULL: no limit
    PRIMARY KEY (person, year, pot),
    CONSTRAINT accumulator_cap CHECK (cap_fen IS NULL OR used_fen <= cap_fen)
) WITH (fillfactor = 80);

-- What each leaf added to accumulators; a reversal's rows are negative.
CREATE TABLE posting (
    log_index bigint NOT NULL,
    person bytea NOT NULL,
    year smallint NOT NULL,
    pot text COLLATE "C" NOT NULL,
    amount_fen bigint NOT NULL,
    cap_fen bigint,
    PRIMARY KEY (log_index, year, pot)
);

CREATE TABLE sealed_record (
    month integer NOT NULL,
    log_index bigint NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (month, log_index)
) PARTITION BY LIST (month);

-- The answer is head + record + tail: the record's bytes are stored once.
CREATE TABLE answer (
    month integer NOT NULL,
    id bytea NOT NULL,
    request bytea NOT NULL,          -- canonical parsed values, card as token
    head bytea NOT NULL,
    tail bytea NOT NULL,
    PRIMARY KEY (month, id)
) PARTITION BY LIST (month);

CREATE TABLE log_leaf (
    log_index bigint PRIMARY KEY,
    entry bytea NOT NULL,            -- SHA-256 of the record's exact bytes
    id bytea NOT NULL,
    month integer NOT NULL
);
-- Roots of full tiles: level 8 over 256 leaves, level 16 over 256 of those, ...
CREATE TABLE log_node (
    level smallint NOT NULL,
    node_index bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (level, node_index)
);
CREATE TABLE log_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL,
    root bytea NOT NULL,
    edge bytea NOT NULL,             -- hashes of the tree's right edge
    checkpoint text NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE policy_pack (
    no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL,
    version text NOT NULL,
    sha256 text NOT NULL UNIQUE,
    document bytea NOT NULL,
    known_since timestamptz NOT NULL,
    active boolean NOT NULL DEFAULT true,
    UNIQUE (id, version)
);

-- Makes the two partitions of a month; safe when several ask at once. Attaching what
-- was made apart blocks neither readers nor writers of the other months.
CREATE FUNCTION ensure_month(wanted integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    records text := format('sealed_record_%s', wanted);
    answers text := format('answer_%s', wanted);
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_month'));
    IF to_regclass(records) IS NOT NULL AND to_regclass(answers) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE sealed_record INCLUDING DEFAULTS)'
                   ' WITH (toast_tuple_target = 8160)', records);
    EXECUTE format('ALTER TABLE %I ALTER record SET STORAGE EXTERNAL', records);
    EXECUTE format('ALTER TABLE sealed_record ATTACH PARTITION %I FOR VALUES IN (%s)',
                   records, wanted);
    EXECUTE format('CREATE TABLE %I (LIKE answer INCLUDING DEFAULTS)'
                   ' WITH (toast_tuple_target = 8160)', answers);
    EXECUTE format('ALTER TABLE %I ALTER head SET STORAGE EXTERNAL,'
                   ' ALTER tail SET STORAGE EXTERNAL,'
                   ' ALTER request SET STORAGE EXTERNAL', answers);
    EXECUTE format('ALTER TABLE answer ATTACH PARTITION %I FOR VALUES IN (%s)',
                   answers, wanted);
END
$$;
