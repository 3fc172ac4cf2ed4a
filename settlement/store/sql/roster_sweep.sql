-- Settlements in force, and declines for eligibility of visits that hold none, of
-- persons whose windows a later roster version changed. $1: settled from this instant.
-- A card that was on no roster is looked up by the token that was asked for.
WITH asked AS (
    SELECT s.*, coalesce(s.person, (
        SELECT coalesce(c.person, a.card)
        FROM (
            SELECT decode(convert_from(request, 'UTF8')::jsonb ->> 0, 'hex') AS card
            FROM answer WHERE month = s.month AND id = s.id
        ) AS a LEFT JOIN roster_card c ON c.card = a.card
    )) AS owner
    FROM settlement s
    WHERE s.settled_at >= $1
      AND (s.state = 's'
           OR s.state = 'd' AND s.reason IN ('MA-2101', 'MA-2102', 'MA-2103'))
)
SELECT s.id, s.state, s.owner AS person, p.code AS facility, s.visit_no,
       s.service_start, s.service_end, s.settled_at, s.category, s.reason, s.aid_fen,
       s.roster_version, s.policy_no, max(w.version) AS corrected_by
FROM asked s
JOIN roster_window w ON w.person = s.owner AND w.version > s.roster_version
LEFT JOIN party p ON p.id = s.facility_id
WHERE s.state = 's' OR NOT EXISTS (
    SELECT FROM settlement o
    WHERE o.person = s.owner AND o.facility_id = s.facility_id
      AND o.visit_no = s.visit_no AND o.state = 's')
GROUP BY s.id, s.state, s.owner, p.code, s.visit_no, s.service_start, s.service_end,
         s.settled_at, s.category, s.reason, s.aid_fen, s.roster_version, s.policy_no
ORDER BY s.settled_at, s.id
