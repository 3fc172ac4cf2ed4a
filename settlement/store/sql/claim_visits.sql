-- Claim the bills' identities; one bill of a visit is in force at a time.
INSERT INTO visit (identity, ordinal, id)
SELECT * FROM unnest($1::bytea[], $2::smallint[], $3::bytea[])
ON CONFLICT DO NOTHING
RETURNING id
