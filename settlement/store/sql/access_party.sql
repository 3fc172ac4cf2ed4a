SELECT id, code, role, name, level, subdistrict, created_at,
       coalesce((settings ->> 'signed_requests')::boolean, false) AS must_sign
FROM party
WHERE code = $1
