-- Leaves with their records, and what the tables say of the settlement behind each:
-- of a reversal, the settlement that it undid, with its record.
SELECT l.log_index, l.id, r.record, p.code AS facility,
       v.id IS NOT NULL AS is_reversal, v.settlement_id,
       coalesce(v.reversed_at, s.settled_at) AS at,
       o.log_index AS original_index, o.record AS original_record,
       k.id AS policy_id, k.version AS policy_version, k.sha256 AS policy_sha256,
       coalesce(s.category, '') AS category, s.subdistrict, s.care_type,
       s.service_start, s.service_end, s.total_fen, s.funds_fen, s.base_fen,
       s.aid_fen, s.tilt_fen, s.patient_pays_fen, a.request,
       coalesce(v.sandbox, s.sandbox) AS sandbox
FROM log_leaf l
JOIN sealed_record r ON r.month = l.month AND r.log_index = l.log_index
LEFT JOIN reversal v ON v.id = l.id
LEFT JOIN settlement s ON s.id = coalesce(v.settlement_id, l.id)
    AND (v.id IS NULL OR v.settlement_id IS NOT NULL)
LEFT JOIN answer a ON a.month = s.month AND a.id = s.id
LEFT JOIN sealed_record o ON v.settlement_id IS NOT NULL
    AND o.month = s.month AND o.log_index = s.log_index
LEFT JOIN policy_pack k ON k.no = s.policy_no
LEFT JOIN party p ON p.id = coalesce(v.facility_id, s.facility_id)
WHERE l.log_index = ANY ($1::bigint[])
ORDER BY l.log_index
