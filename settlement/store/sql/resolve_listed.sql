-- Which of the facility's settlements each line of a list means: by the id that it
-- gives (a settlement's or a reversal's), else by key, else by visit where that leaves
-- no choice. A refund may be listed under the reversal's id or key. Lines that are
-- resolved already are left alone.
WITH by_id AS (
    SELECT l.line, coalesce(s.id, v.settlement_id) AS id
    FROM listed l
    LEFT JOIN settlement s
        ON s.id = l.id AND s.facility_id = $1 AND s.state <> 'd'
    LEFT JOIN reversal v ON v.id = l.id AND v.facility_id = $1
    WHERE l.id IS NOT NULL AND l.settlement_id IS NULL
), by_key AS (
    SELECT l.line, coalesce(s.id, v.settlement_id) AS id
    FROM listed l
    LEFT JOIN settlement s
        ON s.facility_id = $1 AND s.state <> 'd'
        AND s.id = (SELECT k.id FROM settle_key k
                    WHERE k.facility_id = $1 AND k.key = l.key)
    LEFT JOIN reversal v
        ON v.id = (SELECT k.id FROM reversal_key k
                   WHERE k.facility_id = $1 AND k.key = l.key)
    WHERE l.id IS NULL AND l.key <> '' AND l.settlement_id IS NULL
), by_visit AS (
    SELECT line, (array_agg(id))[1] AS id
    FROM (
        SELECT l.line, s.id, s.fits, max(s.fits::integer) OVER (PARTITION BY l.line)
                   AS best
        FROM listed l
        CROSS JOIN LATERAL (
            SELECT s.id, s.aid_fen = abs(l.aid_fen) AND s.total_fen = abs(l.total_fen)
                       AS fits
            FROM settlement s
            WHERE s.facility_id = $1 AND s.visit_no = l.visit_no AND s.state <> 'd'
        ) AS s
        WHERE l.id IS NULL AND l.key = '' AND l.visit_no <> ''
          AND l.settlement_id IS NULL
    ) AS candidates
    -- Of several bills of a visit the one with these amounts, if there is just one.
    WHERE fits::integer = best
    GROUP BY line
    HAVING count(*) = 1
)
UPDATE listed l SET settlement_id = found.id
FROM (
    SELECT * FROM by_id UNION ALL SELECT * FROM by_key UNION ALL SELECT * FROM by_visit
) AS found
WHERE found.line = l.line AND found.id IS NOT NULL
