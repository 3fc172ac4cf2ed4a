-- Operators with claims in a stretch of months, month by month.
SELECT s.facility_id, s.operator, min(s.occurred_at) AS since,
       max(s.occurred_at) AS until, array_agg(s.id) AS inside
FROM answer a
JOIN settlement s ON s.id = a.id
WHERE a.month BETWEEN $1 AND $2
GROUP BY s.facility_id, s.operator, s.month
ORDER BY s.facility_id, s.operator, s.month
