-- Settlements of a hospital whose aid was asked back and that stand, settled below a
-- month's cut. What an earlier month has named and not seen gone is that month's.
SELECT r.settlement_id, s.key, s.visit_no, s.total_fen, s.aid_fen
FROM aid_recovery r JOIN settlement s ON s.id = r.settlement_id
WHERE r.facility_id = $1 AND s.state = 's' AND s.log_index < $2
  AND NOT EXISTS (
      SELECT FROM difference d
      WHERE d.month < $3 AND d.facility_id = $1 AND d.state <> 'gone'
        AND d.kind = 'recovery_ordered' AND d.settlement_id = r.settlement_id)
ORDER BY r.settlement_id
