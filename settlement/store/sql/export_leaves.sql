-- Records of a month of record, in log order; of one facility, or of all.
SELECT l.log_index, l.id, r.record
FROM sealed_record r
JOIN log_leaf l ON l.log_index = r.log_index
LEFT JOIN settlement s ON s.id = l.id
LEFT JOIN reversal v ON v.id = l.id
WHERE r.month = $1 AND r.log_index >= $2 AND r.log_index < $3
  AND ($4::int IS NULL OR coalesce(s.facility_id, v.facility_id) = $4)
ORDER BY r.log_index
LIMIT $5
