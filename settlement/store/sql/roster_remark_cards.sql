-- Lines of a person who stands in the file with two cards. Both are taken.
WITH found AS (
    SELECT DISTINCT i.line, i.person
    FROM roster_in i JOIN roster_in o ON o.person = i.person AND o.card <> i.card
    WHERE NOT i.removes AND NOT o.removes
)
INSERT INTO roster_remark
SELECT line, 'card_number', 'MA-6232', 'card' FROM found
WHERE NOT EXISTS (SELECT FROM roster_kept k WHERE k.person = found.person)
