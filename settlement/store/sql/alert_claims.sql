-- The claims of one alert, in the order of time, with what became of each.
SELECT s.id, s.visit_no, p.code AS facility, p.subdistrict AS place, s.person,
       s.operator, s.care_type, s.service_start, s.service_end, s.occurred_at,
       s.settled_at, s.total_fen, s.aid_fen, s.state, s.reason, s.confirm_reason,
       s.repeat_reason, v.reversed_at, q.ordered_at AS recovery_ordered_at
FROM alert_claim l
JOIN settlement s ON s.id = l.settlement_id
JOIN party p ON p.id = s.facility_id
LEFT JOIN reversal v ON s.state = 'r' AND v.settlement_id = s.id
LEFT JOIN aid_recovery q ON q.settlement_id = s.id
WHERE l.alert_id = $1
ORDER BY s.service_start, s.occurred_at, s.id
