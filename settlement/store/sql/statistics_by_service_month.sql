-- Month table, net of reversals: only settlements still in force, with aid above 0.
-- A visit may have several bills; it counts once in the month that it ended in.
SELECT extract(year FROM service_end)::integer * 100
           + extract(month FROM service_end)::integer AS month,
       count(DISTINCT person) AS citizens,
       count(DISTINCT (facility_id, person, visit_no)) AS visits,
       sum(aid_fen)::bigint AS aid_fen
FROM settlement
WHERE state = 's' AND aid_fen > 0
GROUP BY 1
ORDER BY 1
