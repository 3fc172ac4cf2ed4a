-- A facility's days, by Shanghai day and care type.
SELECT (e.at AT TIME ZONE 'Asia/Shanghai')::date AS day, s.care_type,
       count(*) FILTER (WHERE NOT e.is_reversal) AS settled,
       coalesce(sum(s.total_fen) FILTER (WHERE NOT e.is_reversal), 0)::bigint
           AS settled_total_fen,
       coalesce(sum(s.aid_fen) FILTER (WHERE NOT e.is_reversal), 0)::bigint
           AS settled_aid_fen,
       count(*) FILTER (WHERE e.is_reversal) AS reversed,
       coalesce(sum(s.total_fen) FILTER (WHERE e.is_reversal), 0)::bigint
           AS reversed_total_fen,
       coalesce(sum(s.aid_fen) FILTER (WHERE e.is_reversal), 0)::bigint
           AS reversed_aid_fen
FROM day_entries($1, $2) AS e
JOIN settlement s ON s.id = e.settlement_id
WHERE e.facility_id = $3
GROUP BY 1, 2
ORDER BY 1, 2
