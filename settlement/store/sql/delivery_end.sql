-- How the attempt ended, and what was refused of the file.
UPDATE roster_delivery
SET state = $3, outcome = $4, refused = $5, told_at = clock_timestamp()
WHERE version = $1 AND attempt = $2 AND state = 'importing'
