-- Silent pairs with what they are about and how many alerts nobody saw, newest first.
SELECT m.detector, m.subject, m.dismissals, m.muted_at, a.person, a.household,
       f.code AS facility, a.operator, coalesce(a.alerts, 0) AS alerts
FROM alert_mute m
LEFT JOIN LATERAL (
    SELECT max(b.person) AS person, max(b.household) AS household,
           max(b.facility_id) AS facility_id, max(b.operator) AS operator,
           count(*) FILTER (WHERE b.state = 'muted') AS alerts
    FROM alert b WHERE b.subject = m.subject AND b.detector = m.detector
) AS a ON true
LEFT JOIN party f ON f.id = a.facility_id
WHERE m.muted_at IS NOT NULL
ORDER BY m.muted_at DESC, m.detector, m.subject
