-- Lines of one file that give a card to two persons.
SELECT DISTINCT a.line, a.person
FROM roster_in a JOIN roster_in b ON b.card = a.card AND b.person <> a.person
WHERE NOT a.removes AND NOT b.removes
