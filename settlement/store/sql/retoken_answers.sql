-- Every answer of a month ($1) with the settlement that it is of; else it is a
-- reversal's.
SELECT a.id, a.request, s.id IS NOT NULL AS is_settlement, s.facility_id, s.person,
       s.visit_identity
FROM answer a LEFT JOIN settlement s ON s.id = a.id
WHERE a.month = $1
