-- Claim the bills' identities; one bill of a visit is in force at a time.
INSERT INTO visit SELECT * FROM unnest($1::visit[])
ON CONFLICT DO NOTHING
RETURNING id
