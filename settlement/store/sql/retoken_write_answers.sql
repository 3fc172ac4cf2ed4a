-- Other requests ($3) for answers ($2) of a month ($1). The checksum of an answer that
-- was altered stays wrong.
UPDATE answer AS a
SET request = n.request,
    digest = CASE
        WHEN a.digest = sha256(a.request || a.head || a.tail)
        THEN sha256(n.request || a.head || a.tail)
        ELSE a.digest
    END
FROM unnest($2::bytea[], $3::bytea[]) AS n(id, request)
WHERE a.month = $1 AND a.id = n.id
