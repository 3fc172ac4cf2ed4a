-- Where the record of a settlement or reversal stands in the log.
SELECT log_index FROM settlement WHERE id = $1 AND log_index IS NOT NULL
UNION ALL
SELECT log_index FROM reversal WHERE id = $1
