-- Alerts: the dated rules of the detectors, how far they have looked, what they found,
-- and what staff did with it.

-- Documents as the bureau gave them; of those in force on a day, the latest known.
CREATE TABLE alert_rules (
    no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL,
    version text NOT NULL,
    sha256 text NOT NULL UNIQUE,
    document bytea NOT NULL,
    known_since timestamptz NOT NULL,
    put_by text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    UNIQUE (id, version)
);

-- Clinical like the diagnoses, so it stands beside them.
ALTER TABLE clinical.diagnosis ADD COLUMN prescription_days smallint;

-- Why the cashier let a claim through that a detector had held.
ALTER TABLE settlement ADD COLUMN confirm_reason text;

-- One operator's claims around an instant.
CREATE INDEX settlement_operator ON settlement (facility_id, operator, occurred_at);

-- The members of a household.
CREATE INDEX roster_window_household ON roster_window (household)
    WHERE household <> '';

-- Declines that detectors ask about. Written under the log head's lock, so seq rises
-- in the order of commits.
CREATE TABLE watched_decline (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id bytea NOT NULL
);

-- How far the watch has come; whoever watches holds the row locked.
CREATE TABLE watch_cursor (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    log_index bigint NOT NULL DEFAULT 0,   -- the next leaf to look at
    decline_seq bigint NOT NULL DEFAULT 0  -- the last decline looked at
) WITH (fillfactor = 50);
INSERT INTO watch_cursor DEFAULT VALUES;

-- Alerts about one person, household or hospital, worked off together.
CREATE TABLE alert_case (
    id bytea PRIMARY KEY CHECK (length(id) = 16),
    subject bytea NOT NULL CHECK (length(subject) = 16),  -- digest of what it is about
    person bytea,
    household bytea,
    facility_id integer REFERENCES party (id),
    state text NOT NULL
        CHECK (state IN ('new', 'assigned', 'confirmed', 'dismissed', 'recovered')),
    assignee text,
    score smallint NOT NULL CHECK (score BETWEEN 0 AND 100),
    opened_at timestamptz NOT NULL,
    closed_at timestamptz
);
-- One case at a time gathers.
CREATE UNIQUE INDEX alert_case_gathers ON alert_case (subject)
    WHERE state IN ('new', 'assigned');
CREATE INDEX alert_case_state ON alert_case (state, score DESC, opened_at);

-- Who did what with a case, for ever.
CREATE TABLE alert_case_event (
    case_id bytea NOT NULL REFERENCES alert_case (id),
    no integer NOT NULL,
    at timestamptz NOT NULL,
    who text NOT NULL,
    action text NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (case_id, no)
);

CREATE TABLE alert (
    id bytea PRIMARY KEY CHECK (length(id) = 16),
    no bigint GENERATED ALWAYS AS IDENTITY,  -- which of two alerts is the older
    detector text NOT NULL,
    subject bytea NOT NULL CHECK (length(subject) = 16),
    person bytea,
    household bytea,
    facility_id integer REFERENCES party (id),
    operator text,
    score smallint NOT NULL CHECK (score BETWEEN 0 AND 100),
    facts text NOT NULL,             -- JSON: numbers of its sentence
    latest bytea NOT NULL,           -- the claim that completes it
    rules_no integer NOT NULL REFERENCES alert_rules (no),
    state text NOT NULL CHECK (state IN ('raised', 'withdrawn', 'muted')),
    case_id bytea REFERENCES alert_case (id),
    raised_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX alert_subject ON alert (subject, detector);
CREATE INDEX alert_of_case ON alert (case_id);

CREATE TABLE alert_claim (
    alert_id bytea NOT NULL REFERENCES alert (id),
    settlement_id bytea NOT NULL,
    PRIMARY KEY (alert_id, settlement_id)
);
CREATE INDEX alert_claim_settlement ON alert_claim (settlement_id);

-- What streams and webhooks carry, in the order of commits: written under the lock on
-- watch_cursor.
CREATE TABLE alert_event (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id bytea NOT NULL REFERENCES alert (id),
    what text NOT NULL CHECK (what IN ('raised', 'changed', 'withdrawn', 'muted')),
    at timestamptz NOT NULL
);

-- A detector and a subject that staff have dismissed twice: stored, and not shown.
CREATE TABLE alert_mute (
    subject bytea NOT NULL,
    detector text NOT NULL,
    dismissals integer NOT NULL CHECK (dismissals > 0),
    muted_at timestamptz,            -- NULL until it counts
    PRIMARY KEY (subject, detector)
);

-- Where alerts are told to: at least once, in order, from a cursor of its own.
CREATE TABLE alert_webhook (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    party_id integer NOT NULL REFERENCES party (id),
    url text NOT NULL,
    sealed_secret bytea NOT NULL,    -- AES-256-GCM under the gateway's key file
    cursor bigint NOT NULL,          -- the last event that was taken
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    last_status text NOT NULL DEFAULT '',
    is_on boolean NOT NULL DEFAULT true
);

-- Aid that a confirmed case asks back; reconciliation names it until it is undone.
CREATE TABLE aid_recovery (
    settlement_id bytea PRIMARY KEY,
    case_id bytea NOT NULL REFERENCES alert_case (id),
    facility_id integer NOT NULL REFERENCES party (id),
    aid_fen bigint NOT NULL CHECK (aid_fen > 0),
    ordered_at timestamptz NOT NULL,
    ordered_by text NOT NULL
);
CREATE INDEX aid_recovery_facility ON aid_recovery (facility_id);
