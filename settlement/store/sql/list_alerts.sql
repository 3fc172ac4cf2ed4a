-- Alerts with what is shown of them, in the order in which they were raised.
SELECT a.no, a.id, a.case_id, c.state AS case_state, c.assignee, a.detector, a.score,
       a.state, a.person, a.household, f.code AS facility, a.operator,
       coalesce((SELECT k.facts FROM clinical.alert_facts k WHERE k.alert_id = a.id), '[]')
           AS facts,
       a.latest,
       r.id || '@' || r.version AS rules, a.raised_at, a.changed_at, claim.*
FROM alert a
JOIN alert_rules r ON r.no = a.rules_no
LEFT JOIN alert_case c ON c.id = a.case_id
LEFT JOIN party f ON f.id = a.facility_id
CROSS JOIN LATERAL (
    SELECT array_agg(s.id ORDER BY s.service_start, s.occurred_at, s.id)
               AS settlement_ids,
           array_agg(s.visit_no ORDER BY s.service_start, s.occurred_at, s.id)
               AS visit_nos,
           array_agg(DISTINCT p.code ORDER BY p.code) AS facilities,
           sum(s.aid_fen)::bigint AS aid_fen
    FROM alert_claim l
    JOIN settlement s ON s.id = l.settlement_id
    JOIN party p ON p.id = s.facility_id
    WHERE l.alert_id = a.id
) AS claim
WHERE ($1::text[] IS NULL OR a.state = ANY($1))
  AND ($2::bytea IS NULL OR a.case_id = $2)
  AND ($3::bytea[] IS NULL OR a.id = ANY($3))
  AND ($4::text IS NULL OR a.detector = $4)
  AND ($5::text IS NULL OR c.state = $5)
  AND a.no > $6
ORDER BY a.no
LIMIT $7
