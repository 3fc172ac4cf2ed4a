-- Settlements with their stored answers; the conditions are ours, the values bound.
SELECT s.state, a.head, r.record, a.tail,
       va.head AS reversal_head, vr.record AS reversal_record,
       va.tail AS reversal_tail
FROM settlement s
JOIN answer a ON a.month = s.month AND a.id = s.id
LEFT JOIN record r ON r.month = s.month AND r.log_index = s.log_index
LEFT JOIN reversal v ON v.settlement_id = s.id
LEFT JOIN answer va ON va.month = v.month AND va.id = v.id
LEFT JOIN record vr ON vr.month = v.month AND vr.log_index = v.log_index
WHERE {conditions}
ORDER BY s.settled_at DESC, s.log_index DESC NULLS LAST
LIMIT {limit}
