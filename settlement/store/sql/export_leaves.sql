-- Records of a month of record, in log order; of one facility, or of all.
SELECT l.log_index, l.id, r.record
FROM log_leaf l
JOIN sealed_record r ON r.month = l.month AND r.log_index = l.log_index
LEFT JOIN settlement s ON s.id = l.id
LEFT JOIN reversal v ON v.id = l.id
WHERE l.month = $1 AND l.log_index >= $2 AND l.log_index < $3
  AND ($4::int IS NULL OR coalesce(s.facility_id, v.facility_id) = $4)
ORDER BY l.log_index
LIMIT $5
