-- Settlements of some days with what 2207 answered, less what was undone on them, of
-- one insurance, one kind of clearing and one office.
SELECT coalesce(sum(each.sign), 0)::bigint AS count,
       coalesce(sum(each.sign * each.total_fen), 0)::bigint AS medfee_fen,
       coalesce(sum(each.sign * (each.aid_fen + (each.facts ->> 4)::bigint)), 0)::bigint
           AS fund_fen,
       coalesce(sum(each.sign * (each.facts ->> 5)::bigint), 0)::bigint AS acct_fen
FROM (
    SELECT CASE WHEN e.is_reversal THEN -1 ELSE 1 END AS sign, s.total_fen, s.aid_fen,
           convert_from(a.request, 'UTF8')::jsonb -> $4::integer AS facts
    FROM day_entries($1, $2) AS e
    JOIN settlement s ON s.id = e.settlement_id
    JOIN answer a ON a.month = s.month AND a.id = s.id
    WHERE e.facility_id = $3
) AS each
WHERE each.facts ->> 1 = $5 AND each.facts ->> 2 = $6 AND each.facts ->> 3 IN ($7, '')
