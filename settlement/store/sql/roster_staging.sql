-- The file as it arrives, gone with the database transaction.
CREATE TEMP TABLE roster_in (
    line integer NOT NULL,
    removes boolean NOT NULL,
    person bytea NOT NULL,
    card bytea,
    household bytea NOT NULL,
    category text,
    valid_from date,
    valid_to date,
    subdistrict text NOT NULL
) ON COMMIT DROP;
CREATE TEMP TABLE roster_refused (
    phase smallint NOT NULL,
    line integer NOT NULL,
    field text NOT NULL,
    reason text NOT NULL,
    value_class text NOT NULL,
    person bytea,
    card bytea
) ON COMMIT DROP;
CREATE TEMP TABLE roster_remark (
    line integer NOT NULL,
    field text NOT NULL,
    reason text NOT NULL,
    value_class text NOT NULL
) ON COMMIT DROP;
CREATE TEMP TABLE roster_kept (person bytea PRIMARY KEY) ON COMMIT DROP;
CREATE TEMP TABLE roster_touched (
    person bytea NOT NULL,
    has_new_card boolean NOT NULL
) ON COMMIT DROP
