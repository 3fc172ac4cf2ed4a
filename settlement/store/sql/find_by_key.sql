-- The id under a settle key: the settlement's, a late original's, or a tombstone's.
SELECT coalesce(late_id, id) FROM settle_key WHERE facility_id = $1 AND key = $2
