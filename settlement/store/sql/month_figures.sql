-- What a month's entries add up to, by facility and by all that sums are grouped by.
SELECT e.facility_id, e.is_reversal, e.is_late,
       coalesce(s.category, '') AS category, s.subdistrict, s.care_type,
       count(*) AS count,
       sum(s.total_fen)::bigint AS total_fen, sum(s.funds_fen)::bigint AS funds_fen,
       sum(s.aid_fen)::bigint AS aid_fen, sum(s.tilt_fen)::bigint AS tilt_fen,
       sum(s.patient_pays_fen)::bigint AS patient_pays_fen
FROM month_entries($1, $2, $3, $4, $5) AS e
JOIN settlement s ON s.id = e.settlement_id
WHERE $6::integer IS NULL OR e.facility_id = $6
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1, 2, 3, 4, 5, 6
