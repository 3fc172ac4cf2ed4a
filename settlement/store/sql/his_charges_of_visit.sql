-- The facility's settlements of a visit with what was asked: approved ones first,
-- each newest first. Several persons may share a number that a hospital gives twice.
SELECT s.id, a.request
FROM settlement s
JOIN answer a ON a.month = s.month AND a.id = s.id
WHERE s.facility_id = $1 AND s.visit_no = $2
ORDER BY s.state = 'd', s.settled_at DESC, s.log_index DESC NULLS LAST
LIMIT 100
