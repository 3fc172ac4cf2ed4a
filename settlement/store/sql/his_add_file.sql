-- Keeps a file, and forgets what is over. No row where the message has made one before.
WITH over AS (
    DELETE FROM his_file WHERE ends_at < $8
), held AS (
    SELECT count(*) AS files FROM his_file WHERE facility_id = $2 AND ends_at >= $8
)
INSERT INTO his_file (
    file_qury_no, facility_id, made_by, kind, filename, digest, sealed, made_at, ends_at
)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 FROM held WHERE held.files < $10
ON CONFLICT DO NOTHING
RETURNING file_qury_no
