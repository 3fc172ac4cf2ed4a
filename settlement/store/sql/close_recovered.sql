-- Confirmed cases of which all aid asked back was given back by now, and a line of
-- their history. $1: settlements that may just have been undone.
WITH given_back AS (
    UPDATE alert_case c SET state = 'recovered', closed_at = $2
    WHERE c.state = 'confirmed'
      AND c.id IN (SELECT r.case_id FROM aid_recovery r
                   WHERE r.settlement_id = ANY($1::bytea[]))
      AND NOT EXISTS (SELECT FROM aid_recovery r
                      JOIN settlement s ON s.id = r.settlement_id
                      WHERE r.case_id = c.id AND s.state <> 'r')
    RETURNING c.id
)
INSERT INTO alert_case_event
SELECT g.id, (SELECT coalesce(max(e.no), 0) + 1 FROM alert_case_event e
              WHERE e.case_id = g.id), $2, 'medaid', 'recovered', ''
FROM given_back g
