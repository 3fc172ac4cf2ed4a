-- Erase persons ($1), and note it: $2 when, $3 who, $4 years of retention.
WITH windows AS (DELETE FROM roster_window WHERE person = ANY($1::bytea[])),
     cards AS (DELETE FROM roster_card WHERE person = ANY($1::bytea[])),
     changes AS (DELETE FROM roster_change WHERE person = ANY($1::bytea[]))
INSERT INTO roster_forgotten (person, forgotten_at, forgotten_by, retention_years)
SELECT person, $2, $3, $4 FROM unnest($1::bytea[]) AS p(person)
ON CONFLICT (person) DO UPDATE
SET forgotten_at = $2, forgotten_by = $3, retention_years = $4
