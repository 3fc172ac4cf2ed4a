-- A month's records in the order of the log, those of later leaves of earlier months too.
SELECT l.log_index, r.record
FROM (
    SELECT month, log_index FROM sealed_record
    WHERE month = $1 AND log_index < $3 AND log_index > $4
    UNION ALL
    SELECT month, log_index FROM log_leaf
    WHERE log_index >= $2 AND log_index < $3 AND log_index > $4 AND month < $1
    ORDER BY log_index
    LIMIT $5
) AS l
JOIN sealed_record r ON r.month = l.month AND r.log_index = l.log_index
ORDER BY l.log_index
