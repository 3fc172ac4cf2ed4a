-- The first revocation's time stays; sessions end with the key.
WITH revoked AS (
    UPDATE party_key SET revoked_at = coalesce(revoked_at, $2) WHERE key_id = $1
    RETURNING key_id, party_id
), ended AS (
    DELETE FROM session USING revoked WHERE session.key_id = revoked.key_id
)
SELECT p.code FROM revoked JOIN party p ON p.id = revoked.party_id
