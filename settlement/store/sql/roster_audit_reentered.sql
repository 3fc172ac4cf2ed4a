-- Persons who came back within the days ($3) before a day ($1), after a gap in which
-- they had no window. $2: rows listed. first_day: the last day before the gap;
-- last_day: the first one after it.
SELECT w.person, w.household, w.subdistrict, ARRAY[w.category] AS categories,
       max(e.valid_to) AS first_day, w.valid_from AS last_day,
       count(*) OVER () AS total
FROM roster_window w
JOIN roster_window e
    ON e.person = w.person AND e.valid_to >= e.valid_from
    AND e.valid_to < w.valid_from - 1
WHERE w.valid_from BETWEEN $1::date - $3::integer AND $1
  AND (w.valid_to IS NULL OR w.valid_to >= w.valid_from)
  AND NOT EXISTS (
    SELECT FROM roster_window c
    WHERE c.person = w.person AND c.valid_from < w.valid_from
      AND (c.valid_to IS NULL OR c.valid_to >= w.valid_from - 1))
GROUP BY w.person, w.household, w.subdistrict, w.category, w.valid_from
ORDER BY w.valid_from, w.person LIMIT $2
