-- How many persons a stretch of months has, and its declines of nobody, by reason.
SELECT count(DISTINCT s.person) AS persons,
       count(*) FILTER (WHERE s.person IS NULL AND s.state = 'd') AS of_nobody
FROM answer a
JOIN settlement s ON s.id = a.id
WHERE a.month BETWEEN $1 AND $2
