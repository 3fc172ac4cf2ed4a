-- Persons with a window on the day, by category.
SELECT category, count(DISTINCT person) AS persons
FROM roster_window
WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to >= $1)
GROUP BY category ORDER BY category
