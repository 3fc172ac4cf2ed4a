-- What stands in the books.
SELECT count(*) FILTER (WHERE state <> 'd') AS settlements,
       (SELECT count(*) FROM reversal WHERE settlement_id IS NOT NULL) AS reversals,
       count(*) FILTER (WHERE state = 'd') AS declines,
       (SELECT count(*) FROM reversal WHERE settlement_id IS NULL) AS tombstones,
       count(DISTINCT person) FILTER (WHERE state <> 'd') AS persons,
       (SELECT count(*) FROM accumulator) AS accumulators,
       coalesce(sum(aid_fen) FILTER (WHERE state = 's'), 0)::bigint AS aid_fen
FROM settlement
