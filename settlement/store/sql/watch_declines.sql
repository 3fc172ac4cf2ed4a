-- The next declines that a detector asks about.
SELECT w.seq, s.id, s.person, s.facility_id, s.operator, s.service_start,
       s.service_end, s.occurred_at, s.settled_at AS decided_at
FROM watched_decline w JOIN settlement s ON s.id = w.id
WHERE w.seq > $1 ORDER BY w.seq LIMIT $2
