-- What health and metrics want to know of the database; reads single rows and names.
SELECT clock_timestamp() AS clock,
       current_setting('server_version') AS server,
       (SELECT size FROM log_head) AS log_entries,
       (SELECT log_index FROM watch_cursor) AS watched_entries,
       (SELECT count(*) FROM watch_skipped) AS skipped_claims,
       h.version AS roster_version,
       coalesce(v.refused, 0) AS roster_refused,
       -- Months for which both partitions exist.
       ARRAY(
           SELECT substring(answers.relname FROM '[0-9]+$')::integer
           FROM pg_inherits i JOIN pg_class answers ON answers.oid = i.inhrelid
           WHERE i.inhparent = 'answer'::regclass
             AND to_regclass('sealed_record_'
                             || substring(answers.relname FROM '[0-9]+$')) IS NOT NULL
       ) AS months
FROM roster_head h LEFT JOIN roster_version v ON v.version = h.version
