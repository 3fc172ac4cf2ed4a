-- Of claims: the closed cases that their alerts are in, and what staff said of those.
SELECT l.settlement_id, a.id AS alert_id, a.detector, c.id AS case_id,
       c.state <> 'dismissed' AS is_confirmed
FROM alert_claim l
JOIN alert a ON a.id = l.alert_id
JOIN alert_case c ON c.id = a.case_id
WHERE l.settlement_id = ANY($1::bytea[])
  AND c.state IN ('confirmed', 'recovered', 'dismissed')
