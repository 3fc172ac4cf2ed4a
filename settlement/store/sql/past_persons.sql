-- Persons with a settlement in a stretch of months, declines included, in order.
SELECT DISTINCT s.person
FROM answer a
JOIN settlement s ON s.id = a.id
WHERE a.month BETWEEN $1 AND $2 AND s.person IS NOT NULL
ORDER BY s.person
