-- Nonces outside of the window that signatures are accepted in, and ended sessions.
WITH old_nonces AS (
    DELETE FROM nonce WHERE seen_at < $1
)
DELETE FROM session WHERE expires_at < $2
