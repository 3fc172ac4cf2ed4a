-- Removals that name no window: refused where the person is known. Gives how many
-- name persons who never were on the roster, which do nothing and are no fault.
WITH lost AS (
    SELECT i.line, i.person,
           EXISTS (SELECT FROM roster_window w WHERE w.person = i.person) AS is_known
    FROM roster_in i
    WHERE i.removes AND NOT EXISTS (
        SELECT FROM roster_window w WHERE w.person = i.person
        AND (i.category IS NULL OR w.category = i.category)
        AND (i.valid_from IS NULL OR w.valid_from = i.valid_from))
), kept AS (
    INSERT INTO roster_kept SELECT DISTINCT person FROM lost WHERE is_known
    ON CONFLICT DO NOTHING
), told AS (
    INSERT INTO roster_refused (phase, line, field, reason, value_class, person)
    SELECT 3, line, 'valid_from', 'MA-6215', 'date', person FROM lost WHERE is_known
)
SELECT count(*) FROM lost WHERE NOT is_known
