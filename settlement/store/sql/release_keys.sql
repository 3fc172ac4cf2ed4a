-- Give keys up that were claimed in this transaction for claims that it cannot finish.
WITH settles AS (DELETE FROM settle_key WHERE id = ANY($1::bytea[]))
DELETE FROM reversal_key WHERE id = ANY($2::bytea[])
