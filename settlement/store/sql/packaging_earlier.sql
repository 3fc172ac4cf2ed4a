-- Entries below the earlier cut that belong to this month ($2 false) or to later ones
-- ($2 true): earlier packages have deferred them.
SELECT log_index FROM sealed_record
WHERE (CASE WHEN $2 THEN month > $1 ELSE month = $1 END) AND log_index < $3
ORDER BY log_index
