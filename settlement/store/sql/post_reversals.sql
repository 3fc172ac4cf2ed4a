-- The reversals of a batch: their rows, and their settlements marked once.
WITH marked AS (
    UPDATE settlement SET state = 'r' WHERE id = ANY($14::bytea[]) AND state = 's'
    RETURNING id
), added AS (
    INSERT INTO reversal (
        id, month, facility_id, key, settlement_id, original_key, person, reason,
        reversed_at, operator, sandbox, aid_fen, log_index)
    SELECT * FROM unnest(
        $1::bytea[], $2::int[], $3::int[], $4::text[], $5::bytea[], $6::text[],
        $7::bytea[], $8::text[], $9::timestamptz[], $10::text[], $11::bool[],
        $12::bigint[], $13::bigint[])
)
SELECT count(*) FROM marked
