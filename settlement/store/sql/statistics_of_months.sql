-- Aided bills by month, and by something else: a row for each bucket and month, and
-- one for each bucket over all the months (its month is 0), where a person and a visit
-- count once. One sort that spills to disk, whatever the number of bills.
-- $1 by settling, else by service; $2, $3 months (year times 100 plus month), both
-- included; $4, $5 the same as days; $6 what to divide by; $7 one facility; $8 rows.
WITH leaf AS (
    -- By service: what is in force now, in the month in which the service ended.
    SELECT extract(year FROM s.service_end)::integer * 100
               + extract(month FROM s.service_end)::integer AS month,
           1 AS sign, s.facility_id, s.person, s.visit_no, s.subdistrict, s.category,
           s.care_type, s.aid_fen, s.tilt_fen, s.total_fen, s.funds_fen,
           s.patient_pays_fen
    FROM settlement s
    WHERE NOT $1::boolean AND s.state = 's' AND s.aid_fen > 0
      AND s.service_end BETWEEN $4::date AND $5::date
    UNION ALL
    -- By settling: what was settled in the month, whatever became of it since, ...
    SELECT s.month, 1, s.facility_id, s.person, s.visit_no, s.subdistrict, s.category,
           s.care_type, s.aid_fen, s.tilt_fen, s.total_fen, s.funds_fen,
           s.patient_pays_fen
    FROM settlement s
    WHERE $1::boolean AND s.aid_fen > 0
      AND s.month BETWEEN $2::integer AND $3::integer
    UNION ALL
    -- ... less what was reversed in it, with the amounts of the original.
    SELECT r.month, -1, s.facility_id, s.person, s.visit_no, s.subdistrict, s.category,
           s.care_type, s.aid_fen, s.tilt_fen, s.total_fen, s.funds_fen,
           s.patient_pays_fen
    FROM reversal r
    JOIN settlement s ON s.id = r.settlement_id
    WHERE $1::boolean AND s.aid_fen > 0
      AND r.month BETWEEN $2::integer AND $3::integer
), divided AS (
    SELECT leaf.*,
           CASE $6::text
               WHEN 'subdistrict' THEN subdistrict
               WHEN 'hospital' THEN facility_id::text
               WHEN 'category' THEN coalesce(category, '')
               WHEN 'care_type' THEN care_type
               ELSE ''
           END AS bucket
    FROM leaf
    WHERE $7::integer IS NULL OR facility_id = $7
), visit AS (
    -- Of each visit: the bills that the month gave it, less those that it took back.
    SELECT bucket, month, person, sum(sign) AS bills,
           sum(sign * aid_fen) AS aid_fen, sum(sign * tilt_fen) AS tilt_fen,
           sum(sign * total_fen) AS total_fen, sum(sign * funds_fen) AS funds_fen,
           sum(sign * patient_pays_fen) AS patient_pays_fen
    FROM divided
    GROUP BY bucket, facility_id, person, visit_no, ROLLUP (month)
)
SELECT bucket, coalesce(month, 0) AS month,
       count(DISTINCT person) FILTER (WHERE bills > 0) AS citizens,
       count(*) FILTER (WHERE bills > 0) - count(*) FILTER (WHERE bills < 0) AS visits,
       sum(bills)::bigint AS settlements,
       sum(aid_fen)::bigint AS aid_fen,
       sum(tilt_fen)::bigint AS tilt_fen,
       sum(total_fen)::bigint AS total_fen,
       sum(funds_fen)::bigint AS funds_fen,
       sum(patient_pays_fen)::bigint AS patient_pays_fen
FROM visit
GROUP BY bucket, month
ORDER BY bucket, month NULLS FIRST
LIMIT $8
