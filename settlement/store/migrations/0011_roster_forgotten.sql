-- Persons whose windows and cards were erased once their retention had ended. Their
-- settlements stay for the books, which learn here that the roster had known them.
CREATE TABLE roster_forgotten (
    person bytea PRIMARY KEY CHECK (octet_length(person) = 16),
    forgotten_at timestamptz NOT NULL,
    forgotten_by text NOT NULL,
    retention_years integer NOT NULL CHECK (retention_years > 0)
);
