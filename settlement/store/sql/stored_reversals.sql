-- What stands under reversal keys.
SELECT k.facility_id, k.key, k.id, k.month,
       a.request, a.head, r.record, a.tail
FROM unnest($1::int[], $2::text[]) AS wanted(facility_id, key)
JOIN reversal_key k USING (facility_id, key)
LEFT JOIN answer a ON a.month = k.month AND a.id = k.id
LEFT JOIN reversal v ON v.id = k.id
LEFT JOIN sealed_record r ON r.month = v.month AND r.log_index = v.log_index
