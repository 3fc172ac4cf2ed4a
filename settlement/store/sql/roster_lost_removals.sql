-- Removals that name no window; whether the person was ever on the roster.
SELECT i.line, i.person,
       EXISTS (SELECT FROM roster_window w WHERE w.person = i.person) AS is_known
FROM roster_in i
WHERE i.removes AND NOT EXISTS (
    SELECT FROM roster_window w WHERE w.person = i.person
    AND (i.category IS NULL OR w.category = i.category)
    AND (i.valid_from IS NULL OR w.valid_from = i.valid_from))
