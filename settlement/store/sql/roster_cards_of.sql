-- All cards of persons.
SELECT card, person FROM roster_card WHERE person = ANY($1::bytea[])
