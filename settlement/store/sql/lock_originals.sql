-- The settlements to reverse, locked in the order of their ids.
SELECT s.id, s.month, s.facility_id, s.key, s.state, s.person, s.visit_identity,
       s.total_fen, s.funds_fen, s.aid_fen, s.patient_pays_fen, s.log_index,
       s.roster_version, p.id AS policy_id, p.version AS policy_version,
       p.sha256 AS policy_sha256, a.request
FROM settlement s LEFT JOIN policy_pack p ON p.no = s.policy_no
LEFT JOIN answer a ON a.month = s.month AND a.id = s.id
WHERE s.id = ANY($1::bytea[])
ORDER BY s.id
FOR UPDATE OF s
