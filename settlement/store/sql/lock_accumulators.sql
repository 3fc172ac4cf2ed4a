-- Lock the running totals, in the one order that everybody keeps.
SELECT a.person, a.year, a.pot, a.used_fen, a.cap_fen
FROM unnest($1::bytea[], $2::smallint[], $3::text[]) AS wanted(person, year, pot)
JOIN accumulator a USING (person, year, pot)
ORDER BY a.person, a.year, a.pot
FOR UPDATE OF a
