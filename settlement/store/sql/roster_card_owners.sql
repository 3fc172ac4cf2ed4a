-- Whose cards these are; the token of a resident identity number is the person's own.
SELECT asked.card, owned.person
FROM unnest($1::bytea[]) AS asked(card) JOIN roster_card owned USING (card)
UNION ALL
SELECT asked.card, asked.card
FROM unnest($1::bytea[]) AS asked(card)
WHERE EXISTS (SELECT FROM roster_window w WHERE w.person = asked.card)
