-- Windows that end from a day ($1) on within days ($3), after which their person has
-- none. $2: rows listed.
SELECT w.person, w.household, w.subdistrict, ARRAY[w.category] AS categories,
       w.valid_from AS first_day, w.valid_to AS last_day, count(*) OVER () AS total
FROM roster_window w
WHERE w.valid_to BETWEEN $1 AND $1::date + $3::integer AND w.valid_from <= w.valid_to
  AND NOT EXISTS (
    SELECT FROM roster_window n
    WHERE n.person = w.person AND n.valid_from <= w.valid_to + 1
      AND (n.valid_to IS NULL OR n.valid_to > w.valid_to))
ORDER BY w.valid_to, w.person LIMIT $2
