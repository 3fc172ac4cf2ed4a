-- Lines of which nothing lies in the period: the day to which they really belong, a
-- refund's that of the reversal.
UPDATE listed l
SET elsewhere = (CASE WHEN l.refund AND v.reversed_at IS NOT NULL
                      THEN v.reversed_at ELSE s.settled_at END
                 AT TIME ZONE 'Asia/Shanghai')::date
FROM settlement s
LEFT JOIN reversal v ON v.settlement_id = s.id
WHERE s.id = l.settlement_id
  AND NOT EXISTS (SELECT FROM period p WHERE p.settlement_id = l.settlement_id)
