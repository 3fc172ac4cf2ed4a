-- What the members of households claimed, each household between two days: of
-- each member the latest. Columns as in watch_persons, without diagnoses.
SELECT s.id, s.person, s.facility_id, s.operator, s.care_type, s.service_start,
       s.service_end, s.occurred_at, s.total_fen, s.funds_fen, s.base_fen, s.aid_fen,
       s.reason, s.state <> 'd' AS is_approved, s.repeat_reason,
       v.reversed_at, v.reason AS reversal_reason,
       coalesce(p.subdistrict, '') AS place, m.household
FROM (
    SELECT DISTINCT w.household, w.person, wanted.since, wanted.until
    FROM unnest($1::bytea[], $2::date[], $3::date[]) AS wanted(household, since, until)
    JOIN roster_window w ON w.household = wanted.household AND w.household <> ''
) AS m
CROSS JOIN LATERAL (
    SELECT * FROM settlement s
    WHERE s.person = m.person
      AND s.service_start >= m.since AND s.service_start <= m.until
    ORDER BY s.service_start DESC LIMIT $4
) AS s
LEFT JOIN LATERAL (
    SELECT p.subdistrict FROM party p WHERE p.id = s.facility_id LIMIT 1
) AS p ON true
LEFT JOIN LATERAL (
    SELECT v.reversed_at, v.reason FROM reversal v
    WHERE s.state = 'r' AND v.settlement_id = s.id LIMIT 1
) AS v ON true
