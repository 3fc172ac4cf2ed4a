-- The key that claims to have signed a request, with its party.
SELECT k.key_id, k.alg, k.sealed_secret, k.public_key, k.not_before, k.revoked_at,
       p.id AS party_id, p.code, p.role
FROM party_key k JOIN party p ON p.id = k.party_id
WHERE k.key_id = $1
