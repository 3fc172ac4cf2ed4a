-- The reversals of a batch: their rows, and their settlements marked once.
WITH marked AS (
    UPDATE settlement SET state = 'r' WHERE id = ANY($2::bytea[]) AND state = 's'
    RETURNING id
), added AS (
    INSERT INTO reversal SELECT * FROM unnest($1::reversal[])
)
SELECT count(*) FROM marked
