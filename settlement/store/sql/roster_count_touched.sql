-- How many persons the file changed.
SELECT count(DISTINCT person) FROM roster_touched
