-- End the open windows that removals name: on the day before as_of ($1), or at the
-- end that the window or the removal has already. $2: version.
WITH ended AS (
    UPDATE roster_window w
    SET valid_to = greatest(ends.valid_to, w.valid_from - 1), version = $2
    FROM (
        SELECT o.person, o.category, o.valid_from,
               min(least(o.valid_to, i.valid_to, $1::date - 1)) AS valid_to
        FROM roster_in i JOIN roster_window o ON o.person = i.person
            AND (i.category IS NULL OR o.category = i.category)
            AND (i.valid_from IS NULL OR o.valid_from = i.valid_from)
        WHERE i.removes
          AND (o.valid_to IS NULL OR o.valid_to >= greatest($1::date, o.valid_from))
          AND NOT EXISTS (SELECT FROM roster_kept k WHERE k.person = i.person)
        GROUP BY o.person, o.category, o.valid_from
    ) AS ends
    WHERE w.person = ends.person AND w.category = ends.category
      AND w.valid_from = ends.valid_from
    RETURNING w.person
)
INSERT INTO roster_touched SELECT person, false FROM ended
