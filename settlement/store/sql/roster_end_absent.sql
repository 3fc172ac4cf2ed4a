-- End the open windows that a full file does not name, on the day before as_of ($1).
-- $2: version.
WITH ended AS (
    UPDATE roster_window w
    SET valid_to = greatest($1::date - 1, w.valid_from - 1), version = $2
    WHERE (w.valid_to IS NULL OR w.valid_to >= greatest($1::date, w.valid_from))
      AND NOT EXISTS (SELECT FROM roster_kept k WHERE k.person = w.person)
      AND NOT EXISTS (
        SELECT FROM roster_in i WHERE NOT i.removes AND i.person = w.person
        AND i.category = w.category AND i.valid_from = w.valid_from)
    RETURNING w.person
)
INSERT INTO roster_touched SELECT person, false FROM ended
