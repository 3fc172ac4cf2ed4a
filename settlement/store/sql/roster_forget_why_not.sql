-- Why persons ($1) cannot be forgotten, those who can left out. $2: the first day, $3
-- the first instant, within retention.
SELECT p.person, why.code
FROM unnest($1::bytea[]) AS p(person)
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM roster_window w WHERE w.person = p.person)
            THEN 'unknown'
        WHEN EXISTS (
            SELECT FROM roster_window w WHERE w.person = p.person
            AND (w.valid_to IS NULL OR w.valid_to >= $2::date))
            THEN 'window'
        WHEN EXISTS (
            SELECT FROM settlement s LEFT JOIN reversal v ON v.settlement_id = s.id
            WHERE s.person = p.person
            AND greatest(s.settled_at, v.reversed_at) >= $3::timestamptz)
            THEN 'settlement'
        WHEN EXISTS (
            SELECT FROM alert_case c
            WHERE c.state IN ('new', 'assigned', 'confirmed')
              AND (c.person = p.person
                OR c.household IN (
                    SELECT w.household FROM roster_window w
                    WHERE w.person = p.person AND w.household <> '')
                OR EXISTS (
                    SELECT FROM alert a
                    JOIN alert_claim l ON l.alert_id = a.id
                    JOIN settlement s ON s.id = l.settlement_id
                    WHERE a.case_id = c.id AND s.person = p.person)))
            THEN 'case'
    END AS code
) AS why
WHERE why.code IS NOT NULL
ORDER BY p.person
