-- The roster's version with the persons behind cards: one statement, so that both are
-- of one moment. The token of a resident identity number is the person's own.
WITH owned AS (
    SELECT asked.card, c.person
    FROM unnest($1::bytea[]) AS asked(card) JOIN roster_card c USING (card)
    UNION
    SELECT asked.card, asked.card
    FROM unnest($1::bytea[]) AS asked(card)
    WHERE EXISTS (SELECT FROM roster_window w WHERE w.person = asked.card)
)
SELECT w.person, w.category, w.valid_from, w.valid_to, w.subdistrict, w.household,
       o.card, h.version, h.as_of
FROM roster_head h
LEFT JOIN (
    owned o JOIN roster_window w
        ON w.person = o.person AND (w.valid_to IS NULL OR w.valid_to >= w.valid_from)
) ON true
ORDER BY o.card, w.valid_from, w.category
