INSERT INTO party_key
    (key_id, party_id, alg, sealed_secret, public_key, not_before)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (key_id) DO NOTHING
RETURNING key_id
