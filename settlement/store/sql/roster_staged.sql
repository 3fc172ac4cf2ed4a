-- What the following statements look up by, made once the file is in.
CREATE INDEX ON roster_in (person, category, valid_from);
ANALYZE roster_in;
ANALYZE roster_refused;
INSERT INTO roster_kept
SELECT person FROM roster_refused WHERE person IS NOT NULL
UNION
SELECT owned.person
FROM roster_refused refused JOIN roster_card owned ON owned.card = refused.card
