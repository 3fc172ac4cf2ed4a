-- What stood open or carried over and is not found any more has gone. Resolved ones
-- stay resolved: somebody has answered for them. Kinds that were not looked for stay
-- as they are.
WITH gone AS (
    UPDATE difference SET state = 'gone'
    WHERE month = $1 AND facility_id = $2 AND state IN ('open', 'carried_over')
      AND kind <> ALL ($5)
      AND NOT EXISTS (SELECT FROM found f WHERE f.id = difference.id)
    RETURNING id
)
INSERT INTO difference_event
SELECT g.id, (SELECT count(*) FROM difference_event e WHERE e.difference_id = g.id) + 1,
       $3, $4, 'gone', ''
FROM gone g
