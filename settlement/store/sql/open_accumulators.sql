-- Running totals that do not exist yet begin at 0, so that there is a row to lock.
INSERT INTO accumulator (person, year, pot, used_fen)
SELECT wanted.person, wanted.year, wanted.pot, 0
FROM unnest($1::bytea[], $2::smallint[], $3::text[]) AS wanted(person, year, pot)
ON CONFLICT DO NOTHING
