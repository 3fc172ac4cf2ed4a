-- Another identity ($3) for the visit ($2) of each settlement ($1).
UPDATE settlement AS s SET visit_identity = n.new
FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS n(id, old, new)
WHERE s.id = n.id AND s.visit_identity = n.old
