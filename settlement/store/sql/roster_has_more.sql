-- Whether there are more than $1 windows; counts no further.
SELECT count(*) > $1::bigint FROM (SELECT FROM roster_window LIMIT $1::bigint + 1) AS first
