-- Give keys up that were claimed in this transaction for claims that it cannot finish.
WITH settles AS (
    DELETE FROM settle_key k USING unnest($1::int[], $2::text[], $3::bytea[])
        AS gone(facility_id, key, id)
    WHERE k.facility_id = gone.facility_id AND k.key = gone.key AND k.id = gone.id
)
DELETE FROM reversal_key k USING unnest($4::int[], $5::text[], $6::bytea[])
    AS gone(facility_id, key, id)
WHERE k.facility_id = gone.facility_id AND k.key = gone.key AND k.id = gone.id
