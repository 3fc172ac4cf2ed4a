-- Give identities up: claimed for bills that came out declined, or reversed.
DELETE FROM visit v
USING unnest($1::bytea[], $2::bytea[]) AS gone(identity, id)
WHERE v.identity = gone.identity AND v.id = gone.id
