-- Keeps a file, and forgets what is over. No row where the message has made one before.
-- `ended` is counted so that it is gone before the new row comes: a message that is sent
-- again after its file's time would meet its own.
WITH ended AS (
    DELETE FROM his_file WHERE ends_at < $8 RETURNING 1
), held AS (
    SELECT count(*) AS files, (SELECT count(*) FROM ended) AS forgotten
    FROM his_file WHERE facility_id = $2 AND ends_at >= $8
)
INSERT INTO his_file (
    file_qury_no, facility_id, made_by, kind, filename, digest, sealed, made_at, ends_at
)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 FROM held
WHERE held.files < $10 AND held.forgotten >= 0
ON CONFLICT DO NOTHING
RETURNING file_qury_no
