-- Refunds, by their flag or by their sign, whose reversal does not lie in the period:
-- the day of the reversal. Where the settlement lies in it, the reversal has taken
-- place all the same, and nobody is to be told to reverse again.
UPDATE listed l
SET elsewhere = (v.reversed_at AT TIME ZONE 'Asia/Shanghai')::date
FROM reversal v
WHERE (l.refund OR l.total_fen < 0 OR l.aid_fen < 0)
  AND v.settlement_id = l.settlement_id
  AND NOT EXISTS (SELECT FROM period p WHERE p.id = v.id)
