-- All that persons have had settled, each with its reversal's place in the log; of a
-- stretch of months also records and, for declines, what was asked.
SELECT s.person, s.id, s.month, s.state, s.reason, s.settled_at, s.log_index,
       s.aid_fen, s.category, s.care_type, s.facility_id, s.visit_identity,
       s.roster_version, v.log_index AS reversed_index, v.reversed_at,
       p.level AS facility_level,
       CASE WHEN s.month BETWEEN $2 AND $3 THEN (
           SELECT r.record FROM sealed_record r
           WHERE r.month = s.month AND r.log_index = s.log_index
       ) END AS record,
       CASE WHEN s.log_index IS NULL THEN (
           SELECT a.request FROM answer a WHERE a.month = s.month AND a.id = s.id
       ) END AS request
FROM settlement s
LEFT JOIN reversal v ON v.settlement_id = s.id
LEFT JOIN party p ON p.id = s.facility_id
WHERE s.person = ANY($1::bytea[])
  AND (s.log_index IS NOT NULL OR s.month BETWEEN $2 AND $3)
ORDER BY s.person, s.settled_at, s.log_index
