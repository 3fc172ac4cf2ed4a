-- Every window, person by person.
SELECT person, category, valid_from, valid_to, subdistrict, household
FROM roster_window
WHERE valid_to IS NULL OR valid_to >= valid_from
ORDER BY person, valid_from, category
