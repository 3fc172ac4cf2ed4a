-- Lines of one file that give a card to two persons are refused.
WITH found AS (
    SELECT DISTINCT a.line, a.person
    FROM roster_in a JOIN roster_in b ON b.card = a.card AND b.person <> a.person
    WHERE NOT a.removes AND NOT b.removes
), kept AS (
    INSERT INTO roster_kept SELECT DISTINCT person FROM found ON CONFLICT DO NOTHING
)
INSERT INTO roster_refused (phase, line, field, reason, value_class, person)
SELECT 2, line, 'card_number', 'MA-6214', 'card', person FROM found
