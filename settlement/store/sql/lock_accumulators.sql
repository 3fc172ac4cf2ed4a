-- Lock the running totals, in the one order that everybody keeps. Those that do not
-- exist yet begin at 0, so that there is a row to lock; where another batch has opened
-- one meanwhile, what it made of it is waited for, locked and returned.
WITH wanted AS (
    SELECT * FROM unnest($1::bytea[], $2::smallint[], $3::text[])
        AS wanted(person, year, pot)
), locked AS (
    SELECT a.person, a.year, a.pot, a.used_fen, a.cap_fen
    FROM wanted JOIN accumulator a USING (person, year, pot)
    ORDER BY a.person, a.year, a.pot
    FOR UPDATE OF a
), opened AS (
    INSERT INTO accumulator (person, year, pot, used_fen)
    SELECT wanted.person, wanted.year, wanted.pot, 0 FROM wanted
    WHERE NOT EXISTS (
        SELECT FROM locked
        WHERE (locked.person, locked.year, locked.pot)
            = (wanted.person, wanted.year, wanted.pot)
    )
    ORDER BY wanted.person, wanted.year, wanted.pot COLLATE "C"
    ON CONFLICT (person, year, pot) DO UPDATE SET used_fen = accumulator.used_fen
    RETURNING person, year, pot, used_fen, cap_fen
)
SELECT * FROM locked UNION ALL SELECT * FROM opened
