-- A facility's own file that is not over, by its number or by the message that made it.
SELECT file_qury_no, kind, filename, digest, sealed, ends_at
FROM his_file
WHERE facility_id = $1 AND ends_at > $2
  AND (file_qury_no = $3 OR made_by = $4)
