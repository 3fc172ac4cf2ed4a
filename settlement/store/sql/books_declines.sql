-- Settlements without a leaf, in the order of their ids, each with its answer.
SELECT s.id, a.request, a.head, a.tail, a.digest, s AS settlement,
       d.codes AS diagnoses, d.prescription_days,
       EXISTS (SELECT FROM roster_window w WHERE w.person = s.person)
           OR EXISTS (SELECT FROM roster_forgotten f
                      WHERE f.person = s.person) AS is_on_roster
FROM settlement s
LEFT JOIN LATERAL (
    SELECT request, head, tail, digest FROM answer WHERE month = s.month AND id = s.id
) AS a ON true
LEFT JOIN clinical.diagnosis d ON d.settlement_id = s.id
WHERE s.log_index IS NULL AND s.id > $1
ORDER BY s.id
LIMIT $2
