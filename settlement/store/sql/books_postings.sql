-- What each leaf posted, and what stood in the pot before, in the order of the log.
SELECT log_index, person, year, pot, amount_fen, cap_fen,
       (sum(amount_fen) OVER one_pot - amount_fen)::bigint AS before_fen
FROM posting
WINDOW one_pot AS (PARTITION BY person, year, pot ORDER BY log_index)
ORDER BY log_index, year, pot
