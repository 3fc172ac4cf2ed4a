-- Where a further bill of a visit outlives the first, it takes ordinal 0, so that
-- the UNIQUE index keeps deciding.
UPDATE visit v SET ordinal = 0
FROM (
    SELECT identity, min(ordinal) AS ordinal FROM visit
    WHERE identity = ANY($1::bytea[]) GROUP BY identity
) AS first
WHERE v.identity = first.identity AND v.ordinal = first.ordinal AND v.ordinal > 0
