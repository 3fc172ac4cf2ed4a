-- How to drop and how to make again the indexes of a table ($1), those of constraints
-- included; without those that a foreign key needs.
SELECT CASE WHEN c.oid IS NULL
            THEN format('DROP INDEX %s', i.indexrelid::regclass)
            ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass,
                        c.conname) END AS drop,
       CASE WHEN c.oid IS NULL
            THEN pg_get_indexdef(i.indexrelid)
            ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', i.indrelid::regclass,
                        c.conname, pg_get_constraintdef(c.oid)) END AS make
FROM pg_index i
LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x')
WHERE i.indrelid = $1::text::regclass
  AND NOT EXISTS (
    SELECT FROM pg_constraint f
    WHERE f.contype = 'f' AND f.conindid = i.indexrelid)
ORDER BY i.indexrelid
