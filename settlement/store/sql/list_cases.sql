-- Cases, the strongest first.
SELECT c.id, c.person, c.household, f.code AS facility, c.state, c.assignee, c.score,
       c.opened_at, c.closed_at, coalesce(found.alerts, 0) AS alerts,
       coalesce(found.detectors, '{}') AS detectors
FROM alert_case c
LEFT JOIN party f ON f.id = c.facility_id
LEFT JOIN LATERAL (
    SELECT count(*) AS alerts, array_agg(DISTINCT a.detector) AS detectors
    FROM alert a WHERE a.case_id = c.id AND a.state = 'raised'
) AS found ON true
WHERE ($1::text[] IS NULL OR c.state = ANY($1))
  AND ($2::bytea IS NULL OR c.id = $2)
ORDER BY c.score DESC, c.opened_at, c.id
LIMIT $3
