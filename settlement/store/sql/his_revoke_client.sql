-- Ends the client; a session of 9001 is worth nothing without one.
WITH ended AS (
    UPDATE his_client SET revoked_at = $2 WHERE key_id = $1 AND revoked_at IS NULL
    RETURNING party_id
)
SELECT p.code FROM ended JOIN party p ON p.id = ended.party_id
