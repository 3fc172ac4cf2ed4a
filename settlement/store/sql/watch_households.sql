-- The households of persons: each that a window of theirs names.
SELECT DISTINCT person, household FROM roster_window
WHERE person = ANY($1::bytea[]) AND household <> ''
