-- The sealed records of a case's claims; what was declined has none.
SELECT DISTINCT s.id, s.person, r.record
FROM alert a
JOIN alert_claim l ON l.alert_id = a.id
JOIN settlement s ON s.id = l.settlement_id
JOIN sealed_record r ON r.month = s.month AND r.log_index = s.log_index
WHERE a.case_id = $1
ORDER BY s.id
