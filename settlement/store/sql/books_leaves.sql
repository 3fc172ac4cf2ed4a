-- Leaves in order, each with its record, its answer and the rows that it vouches for.
SELECT l.log_index, l.entry, l.id, r.record, a.request, a.head, a.tail, a.digest,
       s AS settlement, v AS reversal, o AS original, d.codes AS diagnoses, d.prescription_days,
       p.code AS facility,
       EXISTS (SELECT FROM roster_window w
               WHERE w.person = coalesce(s.person, v.person))
           OR EXISTS (SELECT FROM roster_forgotten f
                      WHERE f.person = coalesce(s.person, v.person)) AS is_on_roster
FROM (
    SELECT * FROM log_leaf WHERE log_index >= $1 ORDER BY log_index LIMIT $2
) AS l
LEFT JOIN LATERAL (
    SELECT record FROM sealed_record
    WHERE month = l.month AND log_index = l.log_index
) AS r ON true
LEFT JOIN LATERAL (
    SELECT request, head, tail, digest FROM answer WHERE month = l.month AND id = l.id
) AS a ON true
LEFT JOIN settlement s ON s.id = l.id
LEFT JOIN reversal v ON v.id = l.id
LEFT JOIN settlement o ON o.id = v.settlement_id
LEFT JOIN clinical.diagnosis d ON d.settlement_id = l.id
LEFT JOIN party p ON p.id = coalesce(s.facility_id, v.facility_id)
ORDER BY l.log_index
