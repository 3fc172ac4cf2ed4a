-- What operators settled between two instants each, the latest of it. Columns as in
-- watch_persons, without diagnoses.
SELECT s.id, s.person, s.facility_id, s.operator, s.care_type, s.service_start,
       s.service_end, s.occurred_at, s.total_fen, s.funds_fen, s.base_fen, s.aid_fen,
       s.reason, s.state <> 'd' AS is_approved, s.repeat_reason,
       v.reversed_at, v.reason AS reversal_reason,
       coalesce(p.subdistrict, '') AS place
FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::timestamptz[])
    AS wanted(facility_id, operator, since, until)
CROSS JOIN LATERAL (
    SELECT * FROM settlement s
    WHERE s.facility_id = wanted.facility_id AND s.operator = wanted.operator
      AND s.occurred_at >= wanted.since AND s.occurred_at <= wanted.until
    ORDER BY s.occurred_at DESC LIMIT $5
) AS s
LEFT JOIN LATERAL (
    SELECT p.subdistrict FROM party p WHERE p.id = s.facility_id LIMIT 1
) AS p ON true
LEFT JOIN LATERAL (
    SELECT v.reversed_at, v.reason FROM reversal v
    WHERE s.state = 'r' AND v.settlement_id = s.id LIMIT 1
) AS v ON true
