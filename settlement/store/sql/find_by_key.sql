-- The id under a settle key.
SELECT id FROM settle_key WHERE facility_id = $1 AND key = $2
