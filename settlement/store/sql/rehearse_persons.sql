-- Persons with claims in a stretch of months: which claims, and on which days.
SELECT s.person, min(s.service_start) AS since, max(s.service_end) AS until,
       array_agg(s.id) AS inside
FROM answer a
JOIN settlement s ON s.id = a.id
WHERE a.month BETWEEN $1 AND $2 AND s.person IS NOT NULL
GROUP BY s.person
ORDER BY s.person
