-- Invariants that one query can see. Each row: which rule, and where it is broken.
-- A place never names a person.
SELECT 'money: total is not funds + aid + patient (settlement)' AS rule,
       encode(id, 'hex') AS place
FROM settlement WHERE total_fen <> funds_fen + aid_fen + patient_pays_fen
UNION ALL
SELECT 'money: aid outside 0..base, or tilt outside 0..aid (settlement)',
       encode(id, 'hex')
FROM settlement
WHERE NOT (0 <= aid_fen AND aid_fen <= base_fen AND 0 <= tilt_fen
           AND tilt_fen <= aid_fen AND base_fen <= total_fen - funds_fen
           OR state = 'd' AND aid_fen = 0)
UNION ALL
SELECT 'caps: accumulator differs from the sum of its postings (accumulator, posting)',
       format('%s/%s, leaf %s', year, pot, last)
FROM (
    SELECT year, pot, p.last, coalesce(a.used_fen, 0) AS used, coalesce(p.sum, 0) AS sum
    FROM accumulator a
    FULL JOIN (
        SELECT person, year, pot, sum(amount_fen) AS sum, max(log_index) AS last
        FROM posting GROUP BY person, year, pot
    ) AS p USING (person, year, pot)
) AS totals
WHERE used <> sum
UNION ALL
SELECT 'caps: cap is not that of the last posting (accumulator, posting)',
       format('%s/%s, leaf %s', a.year, a.pot, p.log_index)
FROM accumulator a
JOIN (
    SELECT DISTINCT ON (person, year, pot) person, year, pot, log_index, cap_fen
    FROM posting ORDER BY person, year, pot, log_index DESC
) AS p USING (person, year, pot)
WHERE a.cap_fen IS DISTINCT FROM p.cap_fen
UNION ALL
SELECT 'caps: accumulator outside 0..cap (accumulator)', format('%s/%s', year, pot)
FROM accumulator WHERE used_fen < 0 OR used_fen > cap_fen
UNION ALL
SELECT 'caps: a pot passed its cap when this was posted (posting)', log_index::text
FROM (
    SELECT log_index, amount_fen, cap_fen,
           sum(amount_fen) OVER (
               PARTITION BY person, year, pot ORDER BY log_index) AS running
    FROM posting
) AS ordered
WHERE running < 0 OR (amount_fen > 0 AND running > cap_fen)
UNION ALL
SELECT 'caps: a reversal carries another cap than stood (posting)', log_index::text
FROM (
    SELECT log_index, cap_fen,
           lag(cap_fen) OVER (
               PARTITION BY person, year, pot ORDER BY log_index) AS stood
    FROM posting
) AS ordered
JOIN reversal USING (log_index)
WHERE cap_fen IS DISTINCT FROM stood
UNION ALL
SELECT 'money: posted for another person, or for no leaf (posting)', p.log_index::text
FROM posting p
LEFT JOIN settlement s ON s.log_index = p.log_index
LEFT JOIN reversal v ON v.log_index = p.log_index
WHERE p.person IS DISTINCT FROM coalesce(s.person, v.person)
UNION ALL
SELECT 'reversal: does not give back what was posted (reversal, posting)',
       encode(v.id, 'hex')
FROM reversal v
JOIN settlement s ON s.id = v.settlement_id
WHERE v.aid_fen <> s.aid_fen OR v.log_index <= s.log_index OR EXISTS (
    SELECT 1
    FROM (SELECT * FROM posting WHERE log_index = s.log_index) AS given
    FULL JOIN (SELECT * FROM posting WHERE log_index = v.log_index) AS back
        USING (person, year, pot)
    WHERE given.amount_fen IS DISTINCT FROM -back.amount_fen)
UNION ALL
SELECT 'reversal: state and reversal disagree (settlement, reversal)',
       encode(coalesce(s.id, v.settlement_id), 'hex')
FROM settlement s FULL JOIN
     (SELECT id, settlement_id FROM reversal WHERE settlement_id IS NOT NULL) AS v
     ON v.settlement_id = s.id
WHERE s.id IS NULL OR (s.state = 'r') <> (v.id IS NOT NULL)
UNION ALL
SELECT 'once: a settlement is reversed twice (reversal)', encode(settlement_id, 'hex')
FROM reversal WHERE settlement_id IS NOT NULL
GROUP BY settlement_id HAVING count(*) > 1
UNION ALL
SELECT 'once: settlement without its key (settlement, settle_key)', encode(s.id, 'hex')
FROM settlement s
LEFT JOIN settle_key k ON k.facility_id = s.facility_id AND k.key = s.key
WHERE CASE WHEN k.tombstone THEN k.late_id IS DISTINCT FROM s.id OR s.state <> 'd'
           ELSE k.id IS DISTINCT FROM s.id END
UNION ALL
SELECT 'once: months of settlement and key disagree (settlement, settle_key)',
       encode(s.id, 'hex')
FROM settlement s JOIN settle_key k ON k.facility_id = s.facility_id AND k.key = s.key
WHERE s.month IS DISTINCT FROM CASE WHEN k.tombstone THEN k.late_month ELSE k.month END
UNION ALL
SELECT 'once: key without what it stands for (settle_key)',
       format('%s/%s', k.facility_id, encode(k.id, 'hex'))
FROM settle_key k
LEFT JOIN settlement s ON s.id = k.id
LEFT JOIN reversal v ON v.id = k.id
WHERE CASE WHEN k.tombstone THEN v.id IS NULL OR v.settlement_id IS NOT NULL
                OR v.facility_id <> k.facility_id
                OR v.original_key IS DISTINCT FROM k.key
           ELSE s.id IS NULL END
UNION ALL
SELECT 'once: two settlements under one key (settlement)', min(encode(id, 'hex'))
FROM settlement GROUP BY facility_id, key HAVING count(*) > 1
UNION ALL
SELECT 'once: reversal and its key disagree (reversal, reversal_key)',
       encode(v.id, 'hex')
FROM reversal v
LEFT JOIN reversal_key k ON k.facility_id = v.facility_id AND k.key = v.key
WHERE k.id IS DISTINCT FROM v.id
UNION ALL
SELECT 'once: answer missing (answer, settle_key, reversal_key)', encode(k.id, 'hex')
FROM (SELECT id, month FROM settle_key
      UNION SELECT late_id, late_month FROM settle_key WHERE late_id IS NOT NULL
      UNION SELECT id, month FROM reversal_key) AS k
LEFT JOIN answer a ON a.month = k.month AND a.id = k.id
WHERE a.id IS NULL
UNION ALL
SELECT 'once: answer that no key leads to (answer)', encode(a.id, 'hex')
FROM answer a
LEFT JOIN (SELECT id, month FROM settle_key
           UNION SELECT late_id, late_month FROM settle_key WHERE late_id IS NOT NULL
           UNION SELECT id, month FROM reversal_key) AS k
    ON k.month = a.month AND k.id = a.id
WHERE k.id IS NULL
UNION ALL
SELECT 'once: visit in force and settlement disagree (visit, settlement)',
       encode(coalesce(s.id, v.id), 'hex')
FROM (SELECT id, visit_identity FROM settlement WHERE state = 's') AS s
FULL JOIN visit v ON v.id = s.id
WHERE s.visit_identity IS DISTINCT FROM v.identity
UNION ALL
SELECT 'once: visit in force without a first bill (visit)', min(encode(id, 'hex'))
FROM visit GROUP BY identity HAVING min(ordinal) <> 0
UNION ALL
SELECT 'once: further bill of a visit without a reason (visit)', encode(v.id, 'hex')
FROM visit v LEFT JOIN settlement s ON s.id = v.id
WHERE v.ordinal > 0 AND s.repeat_reason IS NULL
UNION ALL
SELECT 'money: aid differs from what was posted for it (settlement, posting)',
       encode(s.id, 'hex')
FROM settlement s
LEFT JOIN (
    -- Basic aid stands in its pot and in each that this lies within, all the same.
    SELECT log_index,
           coalesce(sum(amount_fen) FILTER (WHERE pot = 'tilt'), 0)
           + coalesce(max(amount_fen) FILTER (WHERE pot <> 'tilt'), 0) AS sum,
           min(amount_fen) FILTER (WHERE pot <> 'tilt')
           IS DISTINCT FROM max(amount_fen) FILTER (WHERE pot <> 'tilt') AS uneven
    FROM posting WHERE pot NOT IN ('deductible', 'banded', 'burden')
    GROUP BY log_index
) AS p USING (log_index)
WHERE s.state <> 'd' AND (s.aid_fen <> coalesce(p.sum, 0) OR coalesce(p.uneven, false))
UNION ALL
SELECT 'log: head and leaves disagree (log_head, log_leaf)', h.size::text
FROM log_head h, (SELECT count(*) AS n, min(log_index) AS lo, max(log_index) AS hi
                  FROM log_leaf) AS l
WHERE l.n <> h.size OR (l.n > 0 AND (l.lo <> 0 OR l.hi <> h.size - 1))
UNION ALL
SELECT 'log: more than one head, or one that is not it (log_head)', 'head'
FROM log_head HAVING count(*) > 1 OR NOT bool_and(one)
UNION ALL
SELECT 'log: leaf without settlement or reversal (log_leaf)', l.log_index::text
FROM log_leaf l
LEFT JOIN settlement s ON s.id = l.id AND s.log_index = l.log_index
LEFT JOIN reversal v ON v.id = l.id AND v.log_index = l.log_index
WHERE s.id IS NULL AND v.id IS NULL
UNION ALL
SELECT 'log: settlement or reversal without leaf (log_leaf, settlement, reversal)',
       encode(e.id, 'hex')
FROM (SELECT id, log_index FROM settlement WHERE log_index IS NOT NULL
      UNION ALL SELECT id, log_index FROM reversal) AS e
LEFT JOIN log_leaf l ON l.log_index = e.log_index
WHERE l.id IS DISTINCT FROM e.id
UNION ALL
SELECT 'log: record that no leaf leads to (sealed_record)', r.log_index::text
FROM sealed_record r
LEFT JOIN log_leaf l ON l.month = r.month AND l.log_index = r.log_index
WHERE l.log_index IS NULL
UNION ALL
SELECT 'log: months of record disagree (log_leaf, settlement, reversal)',
       l.log_index::text
FROM log_leaf l
LEFT JOIN settlement s ON s.id = l.id
LEFT JOIN reversal v ON v.id = l.id
WHERE l.month IS DISTINCT FROM coalesce(s.month, v.month)
UNION ALL
SELECT 'money: sandbox and real settlements in one ledger (settlement, reversal)',
       count(*)::text
FROM (SELECT sandbox FROM settlement UNION ALL SELECT sandbox FROM reversal) AS e
HAVING count(DISTINCT sandbox) > 1
UNION ALL
SELECT 'policy: document differs from its hash (policy_pack)', no::text
FROM policy_pack WHERE encode(sha256(document), 'hex') <> sha256
UNION ALL
SELECT 'policy: decided by a pack that is not there (settlement, policy_pack)',
       encode(s.id, 'hex')
FROM settlement s LEFT JOIN policy_pack p ON p.no = s.policy_no
WHERE p.no IS NULL
UNION ALL
SELECT 'policy: decided before the pack was known (policy_pack)', p.no::text
FROM policy_pack p
WHERE EXISTS (SELECT FROM settlement s
              WHERE s.policy_no = p.no AND s.settled_at < p.known_since)
UNION ALL
SELECT 'once: diagnoses of no settlement (clinical.diagnosis)',
       encode(d.settlement_id, 'hex')
FROM clinical.diagnosis d LEFT JOIN settlement s ON s.id = d.settlement_id
WHERE s.id IS NULL
