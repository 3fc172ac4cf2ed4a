-- Households whose members have claims in a stretch of months: which, on which days.
SELECT w.household, min(s.service_start) AS since, max(s.service_end) AS until,
       array_agg(DISTINCT s.id) AS inside
FROM answer a
JOIN settlement s ON s.id = a.id
JOIN roster_window w ON w.person = s.person AND w.household <> ''
WHERE a.month BETWEEN $1 AND $2
GROUP BY w.household
ORDER BY w.household
