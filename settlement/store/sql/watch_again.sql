-- Claims that were skipped, the longest waiting first.
SELECT s.id, s.person, s.facility_id, s.operator, s.service_start, s.service_end,
       s.occurred_at, coalesce(v.reversed_at, s.settled_at) AS decided_at
FROM watch_skipped w JOIN settlement s ON s.id = w.settlement_id
LEFT JOIN reversal v ON s.state = 'r' AND v.settlement_id = s.id
WHERE w.skipped_at < $1
ORDER BY w.skipped_at, w.settlement_id LIMIT $2
