-- Persons with two windows of one category, or with two households, on a day ($1).
-- $2: rows listed.
SELECT person, min(household) AS household, max(subdistrict) AS subdistrict,
       array_agg(DISTINCT category ORDER BY category) AS categories,
       min(valid_from) AS first_day, max(valid_to) AS last_day,
       count(*) OVER () AS total
FROM roster_window
WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to >= $1)
GROUP BY person
HAVING count(*) > count(DISTINCT category)
    OR count(DISTINCT household) FILTER (WHERE household <> '') > 1
ORDER BY person LIMIT $2
