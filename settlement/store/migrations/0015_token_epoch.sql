-- Of which epoch the tokens in all tables are. The first is that of the token key alone;
-- each later one has a key file of its own, and nothing of it stands here.
ALTER TABLE roster_head
    ADD COLUMN token_epoch integer NOT NULL DEFAULT 1 CHECK (token_epoch >= 1);

-- Who renewed them, and when, for ever.
CREATE TABLE token_epoch (
    epoch integer PRIMARY KEY CHECK (epoch > 1),
    begun_at timestamptz NOT NULL,
    begun_by text NOT NULL,
    tokens bigint NOT NULL CHECK (tokens >= 0)
);
