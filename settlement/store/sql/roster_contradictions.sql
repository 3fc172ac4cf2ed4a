-- Lines that name the same window twice, with different content, are refused.
WITH found AS (
    SELECT DISTINCT a.line, a.person
    FROM roster_in a
    JOIN roster_in b ON b.person = a.person AND b.category = a.category
        AND b.valid_from = a.valid_from
    WHERE (a.removes, a.valid_to, a.subdistrict, a.household)
        IS DISTINCT FROM (b.removes, b.valid_to, b.subdistrict, b.household)
), kept AS (
    INSERT INTO roster_kept SELECT DISTINCT person FROM found ON CONFLICT DO NOTHING
)
INSERT INTO roster_refused (phase, line, field, reason, value_class, person)
SELECT 1, line, '', 'MA-6213', '', person FROM found
