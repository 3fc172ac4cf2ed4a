-- How many persons, months of operators and households a stretch of months has.
WITH inside AS (
    SELECT s.person, s.facility_id, s.operator, s.month
    FROM answer a JOIN settlement s ON s.id = a.id
    WHERE a.month BETWEEN $1 AND $2
)
SELECT (SELECT count(DISTINCT person) FROM inside)
     + (SELECT count(*) FROM (SELECT DISTINCT facility_id, operator, month FROM inside)
            AS desk)
     + (SELECT count(DISTINCT w.household) FROM roster_window w
        WHERE w.household <> '' AND w.person IN (SELECT person FROM inside))
