-- Diagnoses apart from the rest.
INSERT INTO clinical.diagnosis (settlement_id, codes)
SELECT id, string_to_array(codes, ' ')
FROM unnest($1::bytea[], $2::text[]) AS d(id, codes)
