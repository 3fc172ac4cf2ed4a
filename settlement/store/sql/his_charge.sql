-- A settlement of the facility by its id or by its key, with what was asked and
-- answered; a key that was stopped and whose original came late shows the original.
SELECT s.id, s.key, s.state, s.reason, s.visit_no, s.settled_at, a.request,
       a.head, r.record, a.tail
FROM settlement s
JOIN answer a ON a.month = s.month AND a.id = s.id
LEFT JOIN sealed_record r ON r.month = s.month AND r.log_index = s.log_index
WHERE s.facility_id = $1 AND s.id = $2
