-- What persons claimed between two days each, the latest of them, and what became of it.
-- Row by row, by index: a plan made while tables were empty is kept for long, and would
-- read the whole of them. The columns are SeenClaim's; diagnoses come last.
SELECT s.id, s.person, s.facility_id, s.operator, s.care_type, s.service_start,
       s.service_end, s.occurred_at, s.total_fen, s.funds_fen, s.base_fen, s.aid_fen,
       s.reason, s.state <> 'd' AS is_approved, s.repeat_reason,
       v.reversed_at, v.reason AS reversal_reason,
       coalesce(p.subdistrict, '') AS place, NULL::bytea AS household,
       d.prescription_days, d.codes
FROM unnest($1::bytea[], $2::date[], $3::date[]) AS wanted(person, since, until)
CROSS JOIN LATERAL (
    SELECT * FROM settlement s
    WHERE s.person = wanted.person
      AND s.service_start >= wanted.since AND s.service_start <= wanted.until
    ORDER BY s.service_start DESC LIMIT $4
) AS s
LEFT JOIN LATERAL (
    SELECT p.subdistrict FROM party p WHERE p.id = s.facility_id LIMIT 1
) AS p ON true
LEFT JOIN LATERAL (
    SELECT d.codes, d.prescription_days FROM clinical.diagnosis d
    WHERE d.settlement_id = s.id LIMIT 1
) AS d ON true
LEFT JOIN LATERAL (
    SELECT v.reversed_at, v.reason FROM reversal v
    WHERE s.state = 'r' AND v.settlement_id = s.id LIMIT 1
) AS v ON true
