-- As claim_settle_keys, for the keys of reversals.
INSERT INTO reversal_key (facility_id, key, id, month)
SELECT * FROM unnest($1::int[], $2::text[], $3::bytea[], $4::int[])
ON CONFLICT DO NOTHING
RETURNING id
