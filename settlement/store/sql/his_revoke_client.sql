-- Ends the client; a session of 9001 is worth nothing without one.
UPDATE his_client AS c SET revoked_at = $2 FROM party AS p
WHERE c.key_id = $1 AND c.revoked_at IS NULL AND p.id = c.party_id
RETURNING p.code
