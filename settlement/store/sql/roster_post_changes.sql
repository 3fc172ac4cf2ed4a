-- The change feed's next rows, numbered on from $1. $2: version.
INSERT INTO roster_change (seq, person, version, cards_changed)
SELECT $1::bigint + row_number() OVER (ORDER BY person), person, $2, cards_changed
FROM (
    SELECT person, bool_or(has_new_card) AS cards_changed
    FROM roster_touched GROUP BY person
) AS changed
