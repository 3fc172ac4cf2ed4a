-- The tombstone of a key, as it was answered.
SELECT a.head, r.record, a.tail
FROM settle_key k
JOIN reversal v ON v.id = k.id
JOIN answer a ON a.month = v.month AND a.id = v.id
JOIN sealed_record r ON r.month = v.month AND r.log_index = v.log_index
WHERE k.facility_id = $1 AND k.key = $2 AND k.tombstone
