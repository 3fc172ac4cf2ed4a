-- Alerts about subjects, whatever became of them, with the claims of each.
SELECT a.id, a.no, a.detector, a.subject, a.score, a.latest, a.state,
       coalesce((SELECT k.facts FROM clinical.alert_facts k WHERE k.alert_id = a.id), '[]')
           AS facts,
       array_agg(c.settlement_id) AS claims
FROM alert a JOIN alert_claim c ON c.alert_id = a.id
WHERE a.subject = ANY($1::bytea[])
GROUP BY a.id
ORDER BY a.no
