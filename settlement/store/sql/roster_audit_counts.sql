-- Persons with a window on a day ($1), by sub-district and category.
SELECT subdistrict, category, count(DISTINCT person) AS persons
FROM roster_window
WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to >= $1)
GROUP BY subdistrict, category ORDER BY subdistrict, category
