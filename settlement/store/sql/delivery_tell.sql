-- How far the attempt is.
UPDATE roster_delivery
SET step = $3, done = $4, total = $5, told_at = clock_timestamp()
WHERE version = $1 AND attempt = $2 AND state = 'importing'
