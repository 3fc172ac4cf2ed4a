-- Invariants that one query can see. Each row: which rule, and where it is broken.
SELECT 'money: total is not funds + aid + patient' AS rule, encode(id, 'hex') AS place
FROM settlement WHERE total_fen <> funds_fen + aid_fen + patient_pays_fen
UNION ALL
SELECT 'money: aid outside 0..base, or tilt outside 0..aid', encode(id, 'hex')
FROM settlement
WHERE NOT (0 <= aid_fen AND aid_fen <= base_fen AND 0 <= tilt_fen
           AND tilt_fen <= aid_fen AND base_fen <= total_fen - funds_fen
           OR state = 'd' AND aid_fen = 0)
UNION ALL
SELECT 'caps: accumulator differs from the sum of its postings',
       format('%s/%s/%s', encode(person, 'hex'), year, pot)
FROM (
    SELECT person, year, pot, coalesce(a.used_fen, 0) AS used, coalesce(p.sum, 0) AS sum
    FROM accumulator a
    FULL JOIN (
        SELECT person, year, pot, sum(amount_fen) AS sum FROM posting
        GROUP BY person, year, pot
    ) AS p USING (person, year, pot)
) AS totals
WHERE used <> sum
UNION ALL
SELECT 'caps: accumulator outside 0..cap',
       format('%s/%s/%s', encode(person, 'hex'), year, pot)
FROM accumulator WHERE used_fen < 0 OR used_fen > cap_fen
UNION ALL
SELECT 'caps: a pot passed its cap when this was posted', log_index::text
FROM (
    SELECT log_index, amount_fen, cap_fen,
           sum(amount_fen) OVER (
               PARTITION BY person, year, pot ORDER BY log_index) AS running
    FROM posting
) AS ordered
WHERE running < 0 OR (amount_fen > 0 AND running > cap_fen)
UNION ALL
SELECT 'reversal: does not give back what was posted', encode(v.id, 'hex')
FROM reversal v
JOIN settlement s ON s.id = v.settlement_id
WHERE v.aid_fen <> s.aid_fen OR v.log_index <= s.log_index OR EXISTS (
    SELECT 1
    FROM (SELECT * FROM posting WHERE log_index = s.log_index) AS given
    FULL JOIN (SELECT * FROM posting WHERE log_index = v.log_index) AS back
        USING (person, year, pot)
    WHERE given.amount_fen IS DISTINCT FROM -back.amount_fen)
UNION ALL
SELECT 'reversal: state and reversal disagree', encode(s.id, 'hex')
FROM settlement s LEFT JOIN reversal v ON v.settlement_id = s.id
WHERE (s.state = 'r') <> (v.id IS NOT NULL)
UNION ALL
SELECT 'once: settlement without its key', encode(s.id, 'hex')
FROM settlement s
LEFT JOIN settle_key k ON k.facility_id = s.facility_id AND k.key = s.key
WHERE CASE WHEN k.tombstone THEN k.late_id IS DISTINCT FROM s.id OR s.state <> 'd'
           ELSE k.id IS DISTINCT FROM s.id END
UNION ALL
SELECT 'once: key without what it stands for', format('%s/%s', k.facility_id, k.id)
FROM settle_key k
LEFT JOIN settlement s ON s.id = k.id
LEFT JOIN reversal v ON v.id = k.id
WHERE CASE WHEN k.tombstone THEN v.id IS NULL OR v.settlement_id IS NOT NULL
           ELSE s.id IS NULL END
UNION ALL
SELECT 'once: answer missing', encode(k.id, 'hex')
FROM (SELECT id, month FROM settle_key
      UNION SELECT late_id, late_month FROM settle_key WHERE late_id IS NOT NULL
      UNION SELECT id, month FROM reversal_key) AS k
LEFT JOIN answer a ON a.month = k.month AND a.id = k.id
WHERE a.id IS NULL
UNION ALL
SELECT 'once: visit in force and settlement disagree',
       encode(coalesce(s.id, v.id), 'hex')
FROM (SELECT id, visit_identity FROM settlement WHERE state = 's') AS s
FULL JOIN visit v ON v.id = s.id
WHERE s.visit_identity IS DISTINCT FROM v.identity
UNION ALL
SELECT 'once: visit in force without a first bill', encode(identity, 'hex')
FROM visit GROUP BY identity HAVING min(ordinal) <> 0
UNION ALL
SELECT 'money: aid differs from what was posted for it', encode(s.id, 'hex')
FROM settlement s
LEFT JOIN (
    SELECT log_index, sum(amount_fen) AS sum FROM posting
    WHERE pot <> 'deductible' GROUP BY log_index
) AS p USING (log_index)
WHERE s.state <> 'd' AND s.aid_fen <> coalesce(p.sum, 0)
UNION ALL
SELECT 'log: head and leaves disagree', h.size::text
FROM log_head h, (SELECT count(*) AS n, min(log_index) AS lo, max(log_index) AS hi
                  FROM log_leaf) AS l
WHERE l.n <> h.size OR (l.n > 0 AND (l.lo <> 0 OR l.hi <> h.size - 1))
UNION ALL
SELECT 'log: leaf without settlement or reversal', l.log_index::text
FROM log_leaf l
LEFT JOIN settlement s ON s.id = l.id AND s.log_index = l.log_index
LEFT JOIN reversal v ON v.id = l.id AND v.log_index = l.log_index
WHERE s.id IS NULL AND v.id IS NULL
UNION ALL
SELECT 'log: settlement or reversal without leaf', encode(e.id, 'hex')
FROM (SELECT id, log_index FROM settlement WHERE log_index IS NOT NULL
      UNION ALL SELECT id, log_index FROM reversal) AS e
LEFT JOIN log_leaf l ON l.log_index = e.log_index
WHERE l.id IS DISTINCT FROM e.id
