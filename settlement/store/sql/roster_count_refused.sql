-- How many lines are refused.
SELECT count(DISTINCT line) FROM roster_refused
