-- A tombstone by its id, as it was answered, where the facility may see it.
SELECT a.head, r.record, a.tail
FROM reversal v
JOIN answer a ON a.month = v.month AND a.id = v.id
JOIN sealed_record r ON r.month = v.month AND r.log_index = v.log_index
WHERE v.id = $1 AND v.settlement_id IS NULL
  AND ($2::int IS NULL OR v.facility_id = $2)
