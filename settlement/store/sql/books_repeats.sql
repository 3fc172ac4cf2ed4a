-- Answers to reversals that undid nothing themselves: they have neither row nor leaf.
SELECT k.id, a.request, a.head, a.tail, a.digest
FROM reversal_key k
LEFT JOIN reversal v ON v.id = k.id
LEFT JOIN LATERAL (
    SELECT request, head, tail, digest FROM answer WHERE month = k.month AND id = k.id
) AS a ON true
WHERE v.id IS NULL AND k.id > $1
ORDER BY k.id
LIMIT $2
