-- Nonces outside of the window that signatures are accepted in, and ended sessions.
-- By the caller's clock and by the database's: one machine whose clock runs ahead must
-- not forget the nonces that the others still need.
WITH old_nonces AS (
    DELETE FROM nonce WHERE seen_at < LEAST($1, now() - interval '10 minutes')
)
DELETE FROM session WHERE expires_at < $2
