-- Windows new or changed. $1: version.
WITH merged AS (
    INSERT INTO roster_window AS w
        (person, category, valid_from, valid_to, subdistrict, household, version)
    SELECT DISTINCT ON (person, category, valid_from)
        person, category, valid_from, valid_to, subdistrict, household, $1::bigint
    FROM roster_in i
    WHERE NOT removes
      AND NOT EXISTS (SELECT FROM roster_kept k WHERE k.person = i.person)
    ORDER BY person, category, valid_from
    ON CONFLICT (person, category, valid_from) DO UPDATE
    SET valid_to = EXCLUDED.valid_to, subdistrict = EXCLUDED.subdistrict,
        household = EXCLUDED.household, version = EXCLUDED.version
    WHERE (w.valid_to, w.subdistrict, w.household)
        IS DISTINCT FROM (EXCLUDED.valid_to, EXCLUDED.subdistrict, EXCLUDED.household)
    RETURNING w.person
)
INSERT INTO roster_touched SELECT person, false FROM merged
