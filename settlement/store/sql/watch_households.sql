-- What the households of persons claimed between two days. A person's household is
-- each that a window of theirs names.
WITH concerned AS (
    SELECT DISTINCT household FROM roster_window
    WHERE person = ANY($1::bytea[]) AND household <> ''
), member AS (
    SELECT DISTINCT w.household, w.person
    FROM concerned c JOIN roster_window w ON w.household = c.household
)
SELECT m.household, s.id, s.person, s.facility_id, p.subdistrict AS place, s.operator,
       s.care_type, s.service_start, s.service_end, s.occurred_at,
       NULL::text[] AS codes, NULL::smallint AS prescription_days,
       s.total_fen, s.funds_fen, s.base_fen, s.aid_fen, s.reason, s.state = 'd' AS declined,
       s.repeat_reason, v.reversed_at, v.reason AS reversal_reason
FROM member m
JOIN settlement s ON s.person = m.person
    AND s.service_start >= $2 AND s.service_start <= $3
LEFT JOIN party p ON p.id = s.facility_id
LEFT JOIN reversal v ON s.state = 'r' AND v.settlement_id = s.id
