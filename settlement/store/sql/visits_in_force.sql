-- What holds an identity already, with the answer to show again.
SELECT v.identity, v.ordinal, v.id, s.aid_fen, s.patient_pays_fen,
       a.request, r.record, a.tail
FROM unnest($1::bytea[]) AS wanted(identity)
JOIN visit v USING (identity)
LEFT JOIN settlement s ON s.id = v.id
LEFT JOIN answer a ON a.month = s.month AND a.id = s.id
LEFT JOIN sealed_record r ON r.month = s.month AND r.log_index = s.log_index
