-- Settlements with their stored answers, newest first; NULL does not narrow.
SELECT s.state, a.head, r.record, a.tail,
       va.head AS reversal_head, vr.record AS reversal_record,
       va.tail AS reversal_tail
FROM settlement s
JOIN answer a ON a.month = s.month AND a.id = s.id
LEFT JOIN sealed_record r ON r.month = s.month AND r.log_index = s.log_index
LEFT JOIN reversal v ON v.settlement_id = s.id
LEFT JOIN answer va ON va.month = v.month AND va.id = v.id
LEFT JOIN sealed_record vr ON vr.month = v.month AND vr.log_index = v.log_index
WHERE ($1::int IS NULL OR s.facility_id = $1)
  AND ($2::bytea IS NULL OR s.id = $2)
  AND ($3::text IS NULL OR s.key = $3)
  AND ($4::text IS NULL OR s.visit_no = $4)
  AND ($5::bytea IS NULL OR s.person = $5)
  AND ($6::date IS NULL OR s.service_end >= $6)
  AND ($7::date IS NULL OR s.service_start <= $7)
  AND ($8::"char" IS NULL OR s.state = $8)
ORDER BY s.settled_at DESC, s.log_index DESC NULLS LAST
LIMIT $9
