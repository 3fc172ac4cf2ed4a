-- The next leaves: settlements, and the settlements that reversals undid; for a tombstone
-- none. LIMIT 1 as in watch_persons.
SELECT l.log_index, s.id, s.person, s.facility_id, s.operator, s.service_start,
       s.service_end, s.occurred_at, coalesce(v.reversed_at, s.settled_at) AS decided_at
FROM log_leaf l
LEFT JOIN LATERAL (
    SELECT v.id, v.settlement_id, v.reversed_at FROM reversal v WHERE v.id = l.id LIMIT 1
) AS v ON true
LEFT JOIN LATERAL (
    SELECT * FROM settlement s
    WHERE s.id = CASE WHEN v.id IS NULL THEN l.id ELSE v.settlement_id END LIMIT 1
) AS s ON true
WHERE l.log_index >= $1 AND l.log_index < $1 + $2
ORDER BY l.log_index
