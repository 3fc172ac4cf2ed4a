-- What each hospital, or each operator of it, settled in a month that counts: visits,
-- persons, repeats at the same hospital, and those after which a yearly cap was used up.
WITH inside AS (
    SELECT s.id, s.person, s.facility_id, s.operator, s.service_start, s.occurred_at,
           s.reason, s.log_index
    FROM answer a
    JOIN settlement s ON s.id = a.id
    WHERE a.month = $1 AND s.person IS NOT NULL
      AND (s.state = 's' OR s.state = 'd' AND s.reason = ANY($2::text[]))
), held AS (
    SELECT log_index, cap_fen, amount_fen,
           sum(amount_fen) OVER (PARTITION BY person, year, pot ORDER BY log_index)
               AS used_fen
    FROM posting
    WHERE year BETWEEN $1 / 100 - 1 AND $1 / 100
), capped AS (
    SELECT DISTINCT log_index FROM held WHERE amount_fen > 0 AND used_fen >= cap_fen
), judged AS (
    SELECT i.*,
           i.reason = 'MA-2002' OR c.log_index IS NOT NULL AS is_capped,
           EXISTS (
               SELECT 1 FROM settlement e
               WHERE e.person = i.person AND e.facility_id = i.facility_id
                 AND e.service_start BETWEEN i.service_start - $3::integer
                     AND i.service_start
                 AND (e.service_start, e.occurred_at, e.id)
                     < (i.service_start, i.occurred_at, i.id)
                 AND (e.state = 's' OR e.state = 'd' AND e.reason = ANY($2::text[]))
           ) AS is_repeat
    FROM inside i
    LEFT JOIN capped c ON c.log_index = i.log_index
)
SELECT facility_id, CASE WHEN $4 THEN operator END AS operator, count(*) AS claims,
       count(DISTINCT person) AS persons,
       count(*) FILTER (WHERE is_repeat) AS repeats,
       count(*) FILTER (WHERE is_capped) AS at_cap,
       coalesce((array_agg(id ORDER BY service_start DESC, occurred_at DESC, id DESC)
           FILTER (WHERE is_repeat))[1:$5], '{}') AS repeat_claims,
       coalesce((array_agg(id ORDER BY service_start DESC, occurred_at DESC, id DESC)
           FILTER (WHERE is_capped))[1:$5], '{}') AS at_cap_claims
FROM judged
GROUP BY 1, 2
ORDER BY 1, 2
