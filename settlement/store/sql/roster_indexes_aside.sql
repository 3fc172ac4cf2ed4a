-- Indexes of the roster's tables that hold no constraint, and how to make them again.
SELECT i.indexname AS name, i.indexdef AS definition
FROM pg_indexes i
WHERE i.schemaname = current_schema()
  AND i.tablename IN ('roster_window', 'roster_card')
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = i.indexname)
  AND i.indexdef NOT LIKE 'CREATE UNIQUE%'
ORDER BY i.indexname
