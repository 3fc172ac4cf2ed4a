-- Months as they are reconciled: where each ends in the log, what hospitals listed,
-- what differs, and what officers signed.

-- Of the leaves below tree_size a month holds those of its own month, and those of
-- earlier months that came after the earlier cut. Fixed once, by the month's opening:
-- what commits later belongs to a later month, whatever its instant.
CREATE TABLE opened_month (
    month integer PRIMARY KEY CHECK (month % 100 BETWEEN 1 AND 12),  -- 202601
    first_index bigint NOT NULL CHECK (first_index >= 0),  -- the earlier cut; else 0
    tree_size bigint NOT NULL CHECK (tree_size >= first_index),
    checkpoint text NOT NULL,        -- the signed note of tree_size
    opened_at timestamptz NOT NULL,
    opened_by text NOT NULL
);

-- What a month holds: one row for each settlement and each reversal of one. Ids begin
-- with their Shanghai day: those of the month lie between `lowest` and `beyond`.
CREATE FUNCTION month_entries(
    wanted integer, begins bigint, ends bigint, lowest bytea, beyond bytea
) RETURNS TABLE (
    id bytea, settlement_id bytea, facility_id integer, is_reversal boolean,
    is_late boolean, at timestamptz, log_index bigint
) LANGUAGE sql STABLE AS $$
    SELECT s.id, s.id, s.facility_id, false, false, s.settled_at, s.log_index
    FROM settlement s
    WHERE s.id >= lowest AND s.id < beyond AND s.month = wanted AND s.log_index < ends
    UNION ALL
    SELECT v.id, v.settlement_id, v.facility_id, true, false, v.reversed_at, v.log_index
    FROM reversal v
    WHERE v.id >= lowest AND v.id < beyond AND v.month = wanted AND v.log_index < ends
      AND v.settlement_id IS NOT NULL
    UNION ALL
    SELECT s.id, s.id, s.facility_id, false, true, s.settled_at, s.log_index
    FROM log_leaf l JOIN settlement s ON s.id = l.id AND s.log_index = l.log_index
    WHERE l.log_index >= begins AND l.log_index < ends AND l.month < wanted
    UNION ALL
    SELECT v.id, v.settlement_id, v.facility_id, true, true, v.reversed_at, v.log_index
    FROM log_leaf l JOIN reversal v ON v.id = l.id AND v.log_index = l.log_index
    WHERE l.log_index >= begins AND l.log_index < ends AND l.month < wanted
      AND v.settlement_id IS NOT NULL
$$;

-- The same for days, whatever month they have gone into.
CREATE FUNCTION day_entries(lowest bytea, beyond bytea) RETURNS TABLE (
    id bytea, settlement_id bytea, facility_id integer, is_reversal boolean,
    is_late boolean, at timestamptz, log_index bigint
) LANGUAGE sql STABLE AS $$
    SELECT s.id, s.id, s.facility_id, false, false, s.settled_at, s.log_index
    FROM settlement s
    WHERE s.id >= lowest AND s.id < beyond AND s.log_index IS NOT NULL
    UNION ALL
    SELECT v.id, v.settlement_id, v.facility_id, true, false, v.reversed_at, v.log_index
    FROM reversal v
    WHERE v.id >= lowest AND v.id < beyond AND v.settlement_id IS NOT NULL
$$;

-- A hospital's own list of a month. The one received last counts; the others are its
-- history.
CREATE TABLE hospital_list (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    month integer NOT NULL,
    facility_id integer NOT NULL REFERENCES party (id),
    sha256 text NOT NULL,            -- of the file as it came
    form text NOT NULL,              -- how it was read: txt, csv, xlsx, with its coding
    lines integer NOT NULL,
    received_at timestamptz NOT NULL,
    received_by text NOT NULL,
    UNIQUE (month, facility_id, sha256, form)
);

-- As the hospital wrote them; what each line means is found anew by every match. The
-- person that a line may name is never kept.
CREATE TABLE hospital_line (
    list_no bigint NOT NULL REFERENCES hospital_list (no),
    line integer NOT NULL,
    id bytea,                        -- of a settlement or a reversal, if it can be one
    listed_id text COLLATE "C" NOT NULL,
    visit_no text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    total_fen bigint NOT NULL,
    aid_fen bigint NOT NULL,
    refund boolean NOT NULL,
    PRIMARY KEY (list_no, line)
);

CREATE TABLE difference (
    id bytea PRIMARY KEY CHECK (length(id) = 16),
    month integer NOT NULL,
    facility_id integer NOT NULL REFERENCES party (id),
    kind text NOT NULL,
    owner text NOT NULL CHECK (owner IN ('hospital', 'gateway', 'bureau')),
    repair text NOT NULL,
    settlement_id bytea,
    reversal_id bytea,
    listed_id text COLLATE "C" NOT NULL,
    visit_no text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    lines integer[] NOT NULL,        -- of the hospital's list
    amounts jsonb NOT NULL,          -- by side: {"total_fen", "aid_fen"} or null
    actual_day date,
    state text NOT NULL
        CHECK (state IN ('open', 'gone', 'resolved', 'carried_over')),
    seen_at timestamptz NOT NULL
);
CREATE INDEX difference_month ON difference (month, facility_id, state);

-- Who did what with a difference, for ever.
CREATE TABLE difference_event (
    difference_id bytea NOT NULL REFERENCES difference (id),
    no integer NOT NULL,
    at timestamptz NOT NULL,
    who text NOT NULL,
    action text NOT NULL CHECK (action IN
        ('found', 'found again', 'gone', 'resolved', 'carried over', 'opened again')),
    note text NOT NULL,
    PRIMARY KEY (difference_id, no)
);

-- The latest match of a hospital's month: what was compared, and what came out.
CREATE TABLE month_match (
    month integer NOT NULL,
    facility_id integer NOT NULL REFERENCES party (id),
    matched_at timestamptz NOT NULL,
    matched_by text NOT NULL,
    list_no bigint REFERENCES hospital_list (no),
    with_bureau boolean NOT NULL,
    tally jsonb NOT NULL,            -- by side: {"count", "total_fen", "aid_fen"}
    PRIMARY KEY (month, facility_id)
);

-- An officer's signature over the exact bytes of a hospital's statement.
CREATE TABLE statement_signature (
    month integer NOT NULL,
    facility_id integer NOT NULL REFERENCES party (id),
    party_id integer NOT NULL REFERENCES party (id),
    sha256 text NOT NULL,
    key_id text COLLATE "C" NOT NULL REFERENCES party_key (key_id),
    signature bytea NOT NULL CHECK (length(signature) = 64),
    signed_at timestamptz NOT NULL,
    PRIMARY KEY (month, facility_id, sha256, party_id)
);

-- A row here is a closed month of a hospital.
CREATE TABLE closed_month (
    month integer NOT NULL REFERENCES opened_month (month),
    facility_id integer NOT NULL REFERENCES party (id),
    statement bytea NOT NULL,        -- canonical JSON, as the officers signed it
    sha256 text NOT NULL,
    closed_at timestamptz NOT NULL,
    PRIMARY KEY (month, facility_id)
);

-- The package of a month, once made: its signed manifest, so that it is made again
-- to the same bytes or not at all.
CREATE TABLE month_package (
    month integer PRIMARY KEY REFERENCES opened_month (month),
    statement bytea NOT NULL,
    manifest text NOT NULL,
    made_at timestamptz NOT NULL
);

CREATE FUNCTION reconciled_is_final() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% never changes', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER opened_month_final BEFORE UPDATE OR DELETE ON opened_month
    FOR EACH ROW EXECUTE FUNCTION reconciled_is_final();
CREATE TRIGGER closed_month_final BEFORE UPDATE OR DELETE ON closed_month
    FOR EACH ROW EXECUTE FUNCTION reconciled_is_final();
CREATE TRIGGER month_package_final BEFORE UPDATE OR DELETE ON month_package
    FOR EACH ROW EXECUTE FUNCTION reconciled_is_final();
CREATE TRIGGER statement_signature_final BEFORE UPDATE OR DELETE ON statement_signature
    FOR EACH ROW EXECUTE FUNCTION reconciled_is_final();
CREATE TRIGGER difference_event_final BEFORE UPDATE OR DELETE ON difference_event
    FOR EACH ROW EXECUTE FUNCTION reconciled_is_final();
