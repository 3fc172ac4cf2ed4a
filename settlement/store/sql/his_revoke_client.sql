-- Ends the client, and the sessions of its party where sessions are its proof.
WITH ended AS (
    UPDATE his_client SET revoked_at = $2 WHERE key_id = $1 AND revoked_at IS NULL
    RETURNING party_id, profile
)
SELECT p.code FROM ended JOIN party p ON p.id = ended.party_id
