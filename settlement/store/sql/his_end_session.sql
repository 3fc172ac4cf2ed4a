-- Ends a party's own session, and makes every worker forget it.
WITH ended AS (
    DELETE FROM session WHERE token_hash = $1 AND party_id = $2 RETURNING party_id
), told AS (
    UPDATE access_version SET version = version + 1
    WHERE EXISTS (SELECT FROM ended) RETURNING version
)
SELECT pg_notify('medaid_access', '') FROM told
