-- What leaves added to accumulators.
SELECT log_index, person, year, pot, amount_fen
FROM posting WHERE log_index = ANY($1::bigint[])
