-- Roster files that a bureau sent by HTTP: how far each one is, and what was refused of
-- it. Whether a version was taken in says roster_version alone; this tells the sender.
CREATE TABLE roster_delivery (
    version bigint PRIMARY KEY CHECK (version > 0),
    attempt bytea NOT NULL CHECK (octet_length(attempt) = 16),
    state text NOT NULL CHECK (state IN ('importing', 'refused', 'failed')),
    step text NOT NULL,
    done bigint NOT NULL,
    total bigint NOT NULL,
    told_at timestamptz NOT NULL,
    outcome bytea,                   -- JSON: why it was refused
    refused bytea                    -- CSV: which rows, without values
);
