-- The nonces of a batch that are used for the first time; in one order, so that two
-- workers never wait for each other. Not flushed: after a crash of the server the last
-- (three times wal_writer_delay) may be forgotten, and replayed within their window.
WITH quiet AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO nonce (key_id, nonce, seen_at)
SELECT each.key_id, each.nonce, $3
FROM quiet, unnest($1::text[], $2::text[]) AS each (key_id, nonce)
ORDER BY each.key_id COLLATE "C", each.nonce COLLATE "C"
ON CONFLICT DO NOTHING
RETURNING key_id, nonce
