-- What one leaf posted, and what its person's pots held before it.
SELECT l.log_index, l.person, l.year, l.pot, l.amount_fen, l.cap_fen,
       coalesce((
           SELECT sum(b.amount_fen)
           FROM (
               SELECT log_index FROM settlement
               WHERE person = l.person AND log_index IS NOT NULL
               UNION ALL
               SELECT v.log_index FROM reversal v
               JOIN settlement o ON o.id = v.settlement_id AND o.person = l.person
           ) AS earlier
           JOIN posting b ON b.log_index = earlier.log_index
           WHERE b.log_index < l.log_index AND b.year = l.year AND b.pot = l.pot
       ), 0)::bigint AS before_fen
FROM posting l
WHERE l.log_index = $1
ORDER BY l.year, l.pot
