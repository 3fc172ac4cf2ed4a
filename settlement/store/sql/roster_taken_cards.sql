-- Lines that name a card whose owner is another person and stays on the roster (has,
-- after this file, a window open on the day of as_of ($1) or later) are refused.
-- $2: full file.
WITH found AS (
    SELECT DISTINCT i.line, i.person
    FROM roster_in i JOIN roster_card owned ON owned.card = i.card
    WHERE NOT i.removes AND owned.person <> i.person
      AND NOT EXISTS (SELECT FROM roster_kept k WHERE k.person = i.person)
      AND CASE WHEN EXISTS (SELECT FROM roster_kept k WHERE k.person = owned.person)
          THEN EXISTS (
            SELECT FROM roster_window w WHERE w.person = owned.person
            AND (w.valid_to IS NULL OR w.valid_to >= greatest($1::date, w.valid_from)))
          ELSE EXISTS (
            SELECT FROM roster_in n WHERE n.person = owned.person AND NOT n.removes
            AND (n.valid_to IS NULL OR n.valid_to >= $1::date))
          OR (NOT $2::boolean AND EXISTS (
            SELECT FROM roster_window w WHERE w.person = owned.person
            AND (w.valid_to IS NULL OR w.valid_to >= greatest($1::date, w.valid_from))
            AND NOT EXISTS (
                SELECT FROM roster_in n WHERE n.person = w.person
                AND (n.category = w.category OR n.removes AND n.category IS NULL)
                AND (n.valid_from = w.valid_from OR n.removes AND n.valid_from IS NULL))))
          END
), kept AS (
    INSERT INTO roster_kept SELECT DISTINCT person FROM found ON CONFLICT DO NOTHING
)
INSERT INTO roster_refused (phase, line, field, reason, value_class, person)
SELECT 4, line, 'card_number', 'MA-6214', 'card', person FROM found
