-- Claims that no detector could look at, because looking raised: the watch goes on
-- without them, and looks at them again when it is started anew.
CREATE TABLE watch_skipped (
    settlement_id bytea PRIMARY KEY,
    fault text NOT NULL,             -- its kind, without values
    skipped_at timestamptz NOT NULL
);
