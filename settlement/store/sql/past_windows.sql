-- Windows of persons with the version that last changed each.
SELECT person, category, valid_from, valid_to, subdistrict, version
FROM roster_window
WHERE person = ANY($1::bytea[]) AND (valid_to IS NULL OR valid_to >= valid_from)
ORDER BY person, valid_from, category
