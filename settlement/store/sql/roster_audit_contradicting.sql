-- Households whose members are on a day ($1) in more than one of the categories that
-- exclude each other ($3). $2: rows listed.
SELECT NULL::bytea AS person, household, max(subdistrict) AS subdistrict,
       array_agg(DISTINCT category ORDER BY category) AS categories,
       min(valid_from) AS first_day, max(valid_to) AS last_day,
       count(*) OVER () AS total
FROM roster_window
WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to >= $1)
  AND household <> '' AND category = ANY($3::text[])
GROUP BY household
HAVING count(DISTINCT category) > 1
ORDER BY household LIMIT $2
