-- Running totals without a lock: for quotes and quotas, which bind nobody.
SELECT a.person, a.year, a.pot, a.used_fen
FROM unnest($1::bytea[], $2::smallint[], $3::text[]) AS wanted(person, year, pot)
JOIN accumulator a USING (person, year, pot)
