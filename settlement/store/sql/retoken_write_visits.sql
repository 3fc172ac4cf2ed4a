-- The same where visits ($1) are in force, with all their further bills.
UPDATE visit AS v SET identity = n.new
FROM unnest($1::bytea[], $2::bytea[]) AS n(old, new)
WHERE v.identity = n.old
