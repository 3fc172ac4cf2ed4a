-- Windows of one person and category that overlap: within the file, and, where a delta
-- ($1) leaves it in force, with a window of the roster. Both are true; one may have
-- been meant to end when the other began.
WITH found AS (
    SELECT DISTINCT i.line, i.person
    FROM roster_in i JOIN roster_in o ON o.person = i.person AND o.category = i.category
    WHERE o.valid_from < i.valid_from AND coalesce(o.valid_to, 'infinity') >= i.valid_from
      AND NOT i.removes AND NOT o.removes
    UNION
    SELECT i.line, i.person
    FROM roster_in i JOIN roster_window w
        ON w.person = i.person AND w.category = i.category
    WHERE $1::boolean AND NOT i.removes AND w.valid_from <> i.valid_from
      AND w.valid_from <= coalesce(i.valid_to, 'infinity')
      AND coalesce(w.valid_to, 'infinity') >= greatest(i.valid_from, w.valid_from)
      AND NOT EXISTS (
        SELECT FROM roster_in n WHERE n.person = w.person
        AND (n.category = w.category OR n.removes AND n.category IS NULL)
        AND (n.valid_from = w.valid_from OR n.removes AND n.valid_from IS NULL))
)
INSERT INTO roster_remark
SELECT line, 'valid_from', 'MA-6231', 'date' FROM found
WHERE NOT EXISTS (SELECT FROM roster_kept k WHERE k.person = found.person)
