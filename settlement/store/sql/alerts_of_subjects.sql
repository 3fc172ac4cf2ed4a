-- Alerts about subjects, oldest first, with the claims of each.
SELECT a.id, a.no, a.detector, a.subject, a.score, a.facts, a.latest, a.state, a.case_id,
       array_agg(c.settlement_id) AS claims
FROM alert a JOIN alert_claim c ON c.alert_id = a.id
WHERE a.subject = ANY($1::bytea[])
GROUP BY a.id
