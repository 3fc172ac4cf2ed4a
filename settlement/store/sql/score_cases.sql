-- The strongest alert that holds, and 5 for each further one, up to 100.
UPDATE alert_case c SET score = least(100, coalesce(s.best + 5 * (s.alerts - 1), 0))
FROM (
    SELECT wanted.id, max(a.score) AS best, count(a.id) AS alerts
    FROM unnest($1::bytea[]) AS wanted(id)
    LEFT JOIN alert a ON a.case_id = wanted.id AND a.state = 'raised'
    GROUP BY wanted.id
) AS s
WHERE c.id = s.id
