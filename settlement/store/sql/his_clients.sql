-- Every client with the party that it is; revoked ones too where they are asked for.
SELECT c.key_id, c.profile, c.fixmedins_code, c.networks, c.sealed_secret,
       c.public_key, c.variant, c.is_weak, c.output_as_text, c.infcode_as_text,
       c.created_at, c.revoked_at,
       c.must_sign
           OR coalesce((p.settings ->> 'signed_requests')::boolean, false) AS must_sign,
       p.id AS party_id, p.code, p.role, p.level, p.subdistrict
FROM his_client c JOIN party p ON p.id = c.party_id
WHERE $1 OR c.revoked_at IS NULL
ORDER BY p.code, c.created_at, c.key_id
