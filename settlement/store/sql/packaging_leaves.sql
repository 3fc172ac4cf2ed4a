-- The log from an index on, below the cut: what belongs to the month, and what waits.
SELECT log_index, month FROM log_leaf
WHERE log_index >= $1 AND log_index < $2
ORDER BY log_index
LIMIT $3
