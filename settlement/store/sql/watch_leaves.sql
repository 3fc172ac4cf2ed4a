-- The next leaves: settlements, and the settlements that reversals undid.
SELECT l.log_index, s.id, s.person, s.facility_id, s.operator, s.service_start,
       s.service_end, s.occurred_at, coalesce(v.reversed_at, s.settled_at) AS decided_at
FROM log_leaf l
LEFT JOIN reversal v ON v.id = l.id
LEFT JOIN settlement s ON s.id = coalesce(v.settlement_id, l.id)
WHERE l.log_index >= $1 AND l.log_index < $1 + $2
ORDER BY l.log_index
