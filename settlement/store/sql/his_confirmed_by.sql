-- Whether a later message of the visit was answered with this settlement: it was
-- declined as the same bill, and its answer names the settlement.
SELECT EXISTS (
    SELECT FROM settlement s
    JOIN answer a ON a.month = s.month AND a.id = s.id
    WHERE s.facility_id = $1 AND s.visit_no = $2 AND s.state = 'd'
      AND s.reason = 'MA-2202' AND s.key ~ '^hi[sx]:'
      AND position($3::bytea IN a.head) > 0
)
