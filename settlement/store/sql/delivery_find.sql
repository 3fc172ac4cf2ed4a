-- What became of a version: taken in, however it came; else how its delivery stands.
SELECT v.version IS NOT NULL AS is_taken, v.kind, v.as_of, v.rows,
       v.refused AS rows_refused, v.persons_changed, v.windows_upserted,
       v.windows_ended, v.imported_at, d.step, d.done, d.total, d.outcome,
       CASE WHEN d.state = 'importing'
             AND d.told_at <= clock_timestamp() - interval '30 seconds'
            THEN 'failed' ELSE d.state END AS state,
       d.refused IS NOT NULL AS has_refused_rows
FROM (SELECT $1::bigint AS version) AS asked
LEFT JOIN roster_version v USING (version)
LEFT JOIN roster_delivery d USING (version)
