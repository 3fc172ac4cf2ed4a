-- What leaves added to accumulators.
SELECT log_index, year, pot, amount_fen, cap_fen
FROM posting
WHERE log_index = ANY($1::bigint[])
