-- Files of the national reconciliation: what hospitals upload (9101), and the
-- differences that are found in it (3202). They name persons, so they are sealed
-- under a key that the database never sees, and pruned when their time is over.
CREATE TABLE his_file (
    file_qury_no text COLLATE "C" PRIMARY KEY CHECK (length(file_qury_no) <= 30),
    facility_id integer NOT NULL,
    -- The message that made it: repeated, it makes no second one.
    made_by text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('uploaded', 'differences')),
    filename text NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > made_at),
    UNIQUE (facility_id, made_by)
);
CREATE INDEX his_file_end ON his_file (ends_at);
