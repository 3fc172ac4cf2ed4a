-- A live session with all that a caller is; revoked keys have none.
SELECT s.operator, s.expires_at, k.key_id, p.id AS party_id, p.code, p.role,
       p.level, p.subdistrict,
       coalesce((p.settings ->> 'signed_requests')::boolean, false) AS must_sign
FROM session s
JOIN party_key k ON k.key_id = s.key_id
JOIN party p ON p.id = s.party_id
WHERE s.token_hash = $1 AND k.revoked_at IS NULL AND s.expires_at > $2
