SELECT key_id, party_id, alg, public_key, not_before, revoked_at
FROM party_key
ORDER BY party_id, not_before, key_id
