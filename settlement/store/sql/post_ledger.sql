-- Everything that a batch made, in one statement, before COMMIT. Each parameter is an
-- array of rows of the table's own type; columns stand in the table's order.
WITH settled AS (
    INSERT INTO settlement SELECT * FROM unnest($1::settlement[])
), answered AS (
    INSERT INTO answer SELECT * FROM unnest($2::answer[])
), recorded AS (
    INSERT INTO sealed_record SELECT * FROM unnest($3::sealed_record[])
), logged AS (
    INSERT INTO log_leaf SELECT * FROM unnest($4::log_leaf[])
), noded AS (
    INSERT INTO log_node SELECT * FROM unnest($5::log_node[])
), posted AS (
    INSERT INTO posting SELECT * FROM unnest($6::posting[])
), diagnosed AS (
    INSERT INTO clinical.diagnosis SELECT * FROM unnest($7::clinical.diagnosis[])
), sums AS (
    SELECT person, year, pot, sum(amount_fen)::bigint AS amount_fen
    FROM unnest($6::posting[]) GROUP BY person, year, pot
), added AS (
    -- What was posted is added, and not what was computed put in its place: so the
    -- CHECK sees the true sum, also where a row was not locked.
    UPDATE accumulator a SET used_fen = a.used_fen + s.amount_fen, cap_fen = n.cap_fen
    FROM unnest($8::accumulator[]) AS n JOIN sums AS s USING (person, year, pot)
    WHERE a.person = n.person AND a.year = n.year AND a.pot = n.pot
)
UPDATE log_head SET size = $9, root = $10, edge = $11, checkpoint = $12
WHERE size = $13
