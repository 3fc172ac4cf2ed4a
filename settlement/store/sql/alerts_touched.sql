-- Alerts about subjects that hold one of these claims, with all claims of each.
SELECT a.id, a.no, a.detector, a.subject, a.score, a.latest, a.state, a.case_id,
       coalesce((SELECT k.facts FROM clinical.alert_facts k WHERE k.alert_id = a.id), '[]')
           AS facts,
       c.state AS case_state,
       ARRAY(SELECT l.settlement_id FROM alert_claim l WHERE l.alert_id = a.id) AS claims
FROM alert a LEFT JOIN alert_case c ON c.id = a.case_id
WHERE a.id IN (SELECT l.alert_id FROM alert_claim l
               WHERE l.settlement_id = ANY($2::bytea[]))
  AND a.subject = ANY($1::bytea[])
