-- Confirmed cases with a claim in a stretch of months, and the detectors that spoke.
SELECT DISTINCT c.id, a.detector
FROM alert_case c
JOIN alert a ON a.case_id = c.id
JOIN alert_claim l ON l.alert_id = a.id
JOIN settlement s ON s.id = l.settlement_id
WHERE c.state IN ('confirmed', 'recovered') AND s.month BETWEEN $1 AND $2
