-- Cards new, or passed on from a person who has left.
WITH merged AS (
    INSERT INTO roster_card AS c (card, person)
    SELECT DISTINCT ON (card) card, person
    FROM roster_in i
    WHERE NOT removes AND card IS NOT NULL
      AND NOT EXISTS (SELECT FROM roster_kept k WHERE k.person = i.person)
    ORDER BY card
    ON CONFLICT (card) DO UPDATE SET person = EXCLUDED.person
    WHERE c.person <> EXCLUDED.person
    RETURNING c.person
)
INSERT INTO roster_touched SELECT person, true FROM merged
