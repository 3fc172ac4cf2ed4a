-- What stands under settle keys: the answer's bytes and what it answered.
SELECT k.facility_id, k.key, k.id, k.tombstone,
       a.request, a.head, r.record, a.tail, v.reversed_at
FROM unnest($1::int[], $2::text[]) AS wanted(facility_id, key)
JOIN settle_key k USING (facility_id, key)
LEFT JOIN settlement s ON s.id = k.id
LEFT JOIN answer a ON a.month = k.month AND a.id = k.id
LEFT JOIN sealed_record r ON r.month = s.month AND r.log_index = s.log_index
LEFT JOIN reversal v ON k.tombstone AND v.id = k.id
