-- Leaves in order, each with its record, its answer and the row that it vouches for.
SELECT l.log_index, l.entry, l.id, r.record, a.head, a.tail,
       CASE WHEN s.id IS NOT NULL THEN 'settle'
            WHEN v.settlement_id IS NOT NULL THEN 'reverse'
            ELSE 'tombstone' END AS op,
       coalesce(s.total_fen, o.total_fen, 0) AS total_fen,
       coalesce(s.aid_fen, v.aid_fen) AS aid_fen,
       coalesce(s.patient_pays_fen, o.patient_pays_fen, 0) AS patient_pays_fen
FROM (
    SELECT * FROM log_leaf WHERE log_index >= $1 ORDER BY log_index LIMIT $2
) AS l
LEFT JOIN LATERAL (
    SELECT record FROM sealed_record
    WHERE month = l.month AND log_index = l.log_index
) AS r ON true
LEFT JOIN LATERAL (
    SELECT head, tail FROM answer WHERE month = l.month AND id = l.id
) AS a ON true
LEFT JOIN settlement s ON s.id = l.id
LEFT JOIN reversal v ON v.id = l.id
LEFT JOIN settlement o ON o.id = v.settlement_id
ORDER BY l.log_index
