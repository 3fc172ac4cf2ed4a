-- Aid asked back that earlier months have carried over, and that was given back since.
WITH gone AS (
    UPDATE difference d SET state = 'gone'
    FROM settlement s
    WHERE d.month < $1 AND d.facility_id = $2 AND d.state = 'carried_over'
      AND d.kind = 'recovery_ordered' AND s.id = d.settlement_id AND s.state = 'r'
    RETURNING d.id
)
INSERT INTO difference_event
SELECT g.id, (SELECT count(*) FROM difference_event e WHERE e.difference_id = g.id) + 1,
       $3, $4, 'gone', ''
FROM gone g
