-- Aided bills by month, and by something else: a row for each bucket and month, the
-- month before the first too, and one for each bucket over all the months but that
-- (its month is 0), where a person and a visit count once; of a single month it would
-- be the same again and is left out. Sums and distinct counts are made apart: what is
-- sorted or hashed is narrow, and spills to disk, whatever the number of bills.
-- $1 by settling, else by service; $2 the month before the first (year times 100 plus
-- month); $3, $4 the first and last month; $5, $6 the days from the beginning of $2 to
-- the end of $4; $7 what to divide by; $8 one facility; $9 rows.
WITH leaf AS NOT MATERIALIZED (
    -- By service: what is in force now, in the month in which the service ended.
    SELECT date_part('year', s.service_end)::integer * 100
               + date_part('month', s.service_end)::integer AS month,
           1 AS sign, s.facility_id, s.person, s.visit_no, s.subdistrict, s.category,
           s.care_type, s.aid_fen, s.tilt_fen, s.total_fen, s.funds_fen,
           s.patient_pays_fen
    FROM settlement s
    WHERE NOT $1::boolean AND s.state = 's' AND s.aid_fen > 0
      AND s.service_end BETWEEN $5::date AND $6::date
    UNION ALL
    -- By settling: what was settled in the month, whatever became of it since, ...
    SELECT s.month, 1, s.facility_id, s.person, s.visit_no, s.subdistrict, s.category,
           s.care_type, s.aid_fen, s.tilt_fen, s.total_fen, s.funds_fen,
           s.patient_pays_fen
    FROM settlement s
    WHERE $1::boolean AND s.aid_fen > 0
      AND s.month BETWEEN $2::integer AND $4::integer
    UNION ALL
    -- ... less what was reversed in it, with the amounts of the original.
    SELECT r.month, -1, s.facility_id, s.person, s.visit_no, s.subdistrict, s.category,
           s.care_type, s.aid_fen, s.tilt_fen, s.total_fen, s.funds_fen,
           s.patient_pays_fen
    FROM reversal r
    JOIN settlement s ON s.id = r.settlement_id
    WHERE $1::boolean AND s.aid_fen > 0
      AND r.month BETWEEN $2::integer AND $4::integer
), divided AS NOT MATERIALIZED (
    SELECT leaf.*,
           CASE $7::text
               WHEN 'subdistrict' THEN subdistrict
               WHEN 'hospital' THEN facility_id::text
               WHEN 'category' THEN coalesce(category, '')
               WHEN 'care_type' THEN care_type
               ELSE ''
           END AS bucket
    FROM leaf
    WHERE $8::integer IS NULL OR facility_id = $8
), visit AS (
    -- Of each visit: the bills that the month gave it, less those that it took back.
    SELECT bucket, month, person, sum(sign) AS bills
    FROM divided
    GROUP BY bucket, month, person, facility_id, visit_no
    UNION ALL
    SELECT bucket, 0, person, sum(sign)
    FROM divided
    WHERE month >= $3::integer AND $3::integer < $4::integer
    GROUP BY bucket, person, facility_id, visit_no
), served AS (
    SELECT bucket, month, count(*) FILTER (WHERE bills > 0) AS aided,
           count(*) FILTER (WHERE bills < 0) AS undone
    FROM visit
    GROUP BY bucket, month, person
), counted AS (
    SELECT bucket, month, count(*) FILTER (WHERE aided > 0) AS citizens,
           sum(aided - undone)::bigint AS visits
    FROM served
    GROUP BY bucket, month
), monthly AS (
    SELECT bucket, month, sum(sign) AS settlements,
           sum(sign * aid_fen)::bigint AS aid_fen,
           sum(sign * tilt_fen)::bigint AS tilt_fen,
           sum(sign * total_fen)::bigint AS total_fen,
           sum(sign * funds_fen)::bigint AS funds_fen,
           sum(sign * patient_pays_fen)::bigint AS patient_pays_fen
    FROM divided
    GROUP BY bucket, month
), summed AS (
    SELECT * FROM monthly
    UNION ALL
    SELECT bucket, 0, sum(settlements)::bigint, sum(aid_fen)::bigint,
           sum(tilt_fen)::bigint, sum(total_fen)::bigint, sum(funds_fen)::bigint,
           sum(patient_pays_fen)::bigint
    FROM monthly
    WHERE month >= $3
    GROUP BY bucket
)
SELECT bucket, month, citizens, visits, settlements, aid_fen, tilt_fen, total_fen,
       funds_fen, patient_pays_fen
FROM summed
JOIN counted USING (bucket, month)
-- What the month before alone has is no group.
WHERE $7 IS NULL OR bucket IN (SELECT bucket FROM monthly WHERE month >= $3)
ORDER BY bucket, month
LIMIT $9
