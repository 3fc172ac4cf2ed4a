-- The refused lines in order, each once, with what was found first.
SELECT DISTINCT ON (line) line, field, reason, person, card, value_class
FROM roster_refused ORDER BY line, phase
