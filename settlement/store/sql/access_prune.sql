-- Nonces outside of the window that signatures are accepted in, ended sessions, and
-- files of the national reconciliation whose time is over: they name persons, and must
-- go even if no hospital sends another.
-- By the caller's clock and by the database's: one machine whose clock runs ahead must
-- not forget the nonces that the others still need.
WITH old_nonces AS (
    DELETE FROM nonce WHERE seen_at < LEAST($1, now() - interval '10 minutes')
), old_files AS (
    DELETE FROM his_file WHERE ends_at < $2
)
DELETE FROM session WHERE expires_at < $2
