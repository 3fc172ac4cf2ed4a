-- Lines that lie elsewhere, of a month: a month ends at a size of the log, so what came
-- after its month's cut has gone, or will go, into a later month, and is told that
-- month's first day in place of its own.
WITH later AS (
    SELECT to_date(max(month)::text, 'YYYYMM') + interval '1 month' AS begins
    FROM opened_month
), meant AS (
    SELECT l.line, coalesce(v.month, s.month) AS month,
           coalesce(v.log_index, s.log_index) AS log_index
    FROM listed l
    JOIN settlement s ON s.id = l.settlement_id
    LEFT JOIN reversal v ON v.settlement_id = s.id
        AND (l.refund OR l.total_fen < 0 OR l.aid_fen < 0)
    WHERE l.elsewhere IS NOT NULL
)
UPDATE listed l
SET elsewhere = greatest(l.elsewhere, coalesce(
    (SELECT to_date(min(o.month)::text, 'YYYYMM') FROM opened_month o
     WHERE o.month >= meant.month AND o.tree_size > meant.log_index),
    (SELECT begins::date FROM later)))
FROM meant
WHERE meant.line = l.line
