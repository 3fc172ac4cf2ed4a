-- Takes the nonce and opens the session together; no row: the nonce was used, or
-- the key was revoked meanwhile.
WITH taken AS (
    INSERT INTO nonce (key_id, nonce, seen_at) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING
    RETURNING key_id
)
INSERT INTO session (token_hash, party_id, key_id, operator, opened_at, expires_at)
SELECT $4, k.party_id, k.key_id, $5, $3, $6
FROM taken JOIN party_key k USING (key_id)
WHERE k.revoked_at IS NULL
RETURNING party_id
