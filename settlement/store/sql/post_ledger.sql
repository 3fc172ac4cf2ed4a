-- Everything that a batch made, in one statement, before COMMIT.
WITH settled AS (
    INSERT INTO settlement (
        id, month, facility_id, key, state, person, visit_no, visit_identity,
        care_type, service_start, service_end, occurred_at, settled_at, operator,
        sandbox, category, subdistrict, roster_version, policy_no, reason,
        repeat_reason, total_fen, funds_fen, base_fen, aid_fen, tilt_fen,
        patient_pays_fen, log_index)
    SELECT * FROM unnest(
        $1::bytea[], $2::int[], $3::int[], $4::text[], $5::"char"[], $6::bytea[],
        $7::text[], $8::bytea[], $9::text[], $10::date[], $11::date[],
        $12::timestamptz[], $13::timestamptz[], $14::text[], $15::bool[],
        $16::text[], $17::text[], $18::bigint[], $19::int[], $20::text[],
        $21::text[], $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[],
        $26::bigint[], $27::bigint[], $28::bigint[])
), answered AS (
    INSERT INTO answer (month, id, request, head, tail)
    SELECT * FROM unnest(
        $29::int[], $30::bytea[], $31::bytea[], $32::bytea[], $33::bytea[])
), recorded AS (
    INSERT INTO record (month, log_index, record)
    SELECT * FROM unnest($34::int[], $35::bigint[], $36::bytea[])
), logged AS (
    INSERT INTO log_leaf (log_index, entry, id, month)
    SELECT * FROM unnest($35::bigint[], $37::bytea[], $38::bytea[], $34::int[])
), noded AS (
    INSERT INTO log_node (level, node_index, hash)
    SELECT * FROM unnest($39::smallint[], $40::bigint[], $41::bytea[])
), posted AS (
    INSERT INTO posting (log_index, person, year, pot, amount_fen, cap_fen)
    SELECT * FROM unnest(
        $42::bigint[], $43::bytea[], $44::smallint[], $45::text[], $46::bigint[],
        $47::bigint[])
), diagnosed AS (
    INSERT INTO clinical.diagnosis (settlement_id, codes)
    SELECT id, string_to_array(codes, ' ')
    FROM unnest($58::bytea[], $59::text[]) AS d(id, codes)
), added AS (
    UPDATE accumulator a SET used_fen = n.used_fen, cap_fen = n.cap_fen
    FROM unnest($48::bytea[], $49::smallint[], $50::text[], $51::bigint[],
                $52::bigint[]) AS n(person, year, pot, used_fen, cap_fen)
    WHERE a.person = n.person AND a.year = n.year AND a.pot = n.pot
)
UPDATE log_head SET size = $53, root = $54, edge = $55, checkpoint = $56
WHERE size = $57
