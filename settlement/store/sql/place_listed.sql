-- Lines of which nothing lies in the period: the day to which they really belong.
UPDATE listed l
SET elsewhere = (s.settled_at AT TIME ZONE 'Asia/Shanghai')::date
FROM settlement s
WHERE s.id = l.settlement_id
  AND NOT EXISTS (SELECT FROM period p WHERE p.settlement_id = l.settlement_id)
