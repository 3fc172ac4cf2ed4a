-- The first reversal of each settlement or stopped key, with its answer.
SELECT v.facility_id, v.settlement_id, a.head, r.record, a.tail
FROM reversal v
JOIN answer a ON a.month = v.month AND a.id = v.id
JOIN sealed_record r ON r.month = v.month AND r.log_index = v.log_index
WHERE v.settlement_id = ANY($1::bytea[]) OR v.id = ANY($2::bytea[])
