-- Settlements that some days have settled or undone, with their bills; of bills that
-- did not come in the national envelope nothing.
SELECT e.settlement_id AS id, s.key, s.visit_no, s.total_fen, s.aid_fen,
       convert_from(a.request, 'UTF8')::jsonb -> $4::integer AS facts,
       sum(CASE WHEN e.is_reversal THEN -1 ELSE 1 END)::integer AS net,
       s.state = 's' AS is_in_force,
       (SELECT v.id FROM reversal v WHERE v.settlement_id = e.settlement_id) AS undone_by
FROM day_entries($1, $2) AS e
JOIN settlement s ON s.id = e.settlement_id
JOIN answer a ON a.month = s.month AND a.id = s.id
WHERE e.facility_id = $3
  AND jsonb_typeof(convert_from(a.request, 'UTF8')::jsonb -> $4::integer) = 'array'
GROUP BY e.settlement_id, s.id, a.month, a.id
ORDER BY e.settlement_id
LIMIT $5
