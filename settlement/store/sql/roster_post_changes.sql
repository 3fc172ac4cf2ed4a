-- The change feed's next rows, numbered on from $1. $2: version.
INSERT INTO roster_change (seq, person, version)
SELECT $1::bigint + row_number() OVER (ORDER BY person), person, $2
FROM (SELECT DISTINCT person FROM roster_touched) AS changed
