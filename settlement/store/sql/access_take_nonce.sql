INSERT INTO nonce (key_id, nonce, seen_at) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
RETURNING key_id
