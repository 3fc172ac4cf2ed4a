-- What a match has found, in `found`, becomes what stands in `difference`: new ones
-- are open, known ones are brought up to date, one that had gone is found again.
-- An amount that changed under a resolved difference opens it again.
WITH before AS (
    SELECT d.id, d.state, d.amounts FROM difference d JOIN found USING (id)
), kept AS (
    INSERT INTO difference
    SELECT f.id, $1, $2, f.kind, f.owner, f.repair, f.settlement_id, f.reversal_id,
           f.listed_id, f.visit_no, f.key, f.lines, f.amounts, f.actual_day, 'open', $3
    FROM found f
    ON CONFLICT (id) DO UPDATE SET
        repair = excluded.repair, reversal_id = excluded.reversal_id,
        lines = excluded.lines, amounts = excluded.amounts,
        actual_day = excluded.actual_day, seen_at = excluded.seen_at,
        state = CASE WHEN difference.state = 'gone'
                       OR difference.amounts <> excluded.amounts
                     THEN 'open' ELSE difference.state END
    RETURNING id, state
)
INSERT INTO difference_event
SELECT k.id, (SELECT count(*) FROM difference_event e WHERE e.difference_id = k.id) + 1,
       $3, $4, CASE WHEN b.id IS NULL THEN 'found'
                    WHEN b.state = 'gone' THEN 'found again' ELSE 'opened again' END, ''
FROM kept k LEFT JOIN before b USING (id)
WHERE b.id IS NULL OR b.state = 'gone' OR (b.state <> 'open' AND k.state = 'open')
