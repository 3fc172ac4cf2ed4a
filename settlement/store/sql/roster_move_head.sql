-- The new version is in force from this commit on.
UPDATE roster_head
SET version = $1, as_of = $2, key_check = $3, last_change = $4, scan_floor = $5
