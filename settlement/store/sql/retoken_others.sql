-- Who else is connected to this database, but for one of ours ($1).
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
  AND pid NOT IN (pg_backend_pid(), $1)
