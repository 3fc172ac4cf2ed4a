-- What stands under settle keys: the answer's bytes and what it answered. Under a
-- stopped key that is the late original, once it has come.
SELECT k.facility_id, k.key, k.id AS key_id, k.tombstone,
       k.late_id IS NOT NULL AS has_late_original,
       coalesce(k.late_id, k.id) AS id, a.request, a.head, r.record, a.tail
FROM unnest($1::int[], $2::text[]) AS wanted(facility_id, key)
JOIN settle_key k USING (facility_id, key)
LEFT JOIN settlement s ON s.id = k.id
LEFT JOIN answer a ON a.month = coalesce(k.late_month, k.month)
                  AND a.id = coalesce(k.late_id, k.id)
LEFT JOIN sealed_record r ON r.month = s.month AND r.log_index = s.log_index
