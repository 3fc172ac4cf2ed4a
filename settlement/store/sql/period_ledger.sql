-- The period, one row for each settlement of which something lies in it, by id.
SELECT o.id AS settlement_id,
       (o.settled_at AT TIME ZONE 'Asia/Shanghai')::date AS settled_on,
       o.care_type, o.visit_no, o.key, o.total_fen, o.aid_fen,
       e.is_settled, e.reversal_id, v.key AS reversal_key
FROM (
    SELECT settlement_id, bool_or(NOT is_reversal) AS is_settled,
           (array_agg(id) FILTER (WHERE is_reversal))[1] AS reversal_id
    FROM period GROUP BY settlement_id
) AS e
JOIN settlement o ON o.id = e.settlement_id
LEFT JOIN reversal v ON v.id = e.reversal_id
ORDER BY o.id
