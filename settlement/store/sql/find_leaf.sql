-- The record of a settlement or reversal, where the facility may see it.
SELECT r.record, r.log_index
FROM (
    SELECT month, log_index, facility_id FROM settlement WHERE id = $1
    UNION ALL
    SELECT month, log_index, facility_id FROM reversal WHERE id = $1
) AS found
JOIN sealed_record r ON r.month = found.month AND r.log_index = found.log_index
WHERE $2::int IS NULL OR found.facility_id = $2
