-- The version in force and what the roster holds.
SELECT v.version, v.kind, v.previous_version, v.as_of, v.rows, v.refused,
       v.persons_changed, v.windows_upserted, v.windows_ended, v.imported_at,
       (SELECT count(DISTINCT person) FROM roster_window) AS persons,
       (SELECT count(*) FROM roster_window) AS windows,
       (SELECT count(*) FROM roster_card) AS cards
FROM roster_head h JOIN roster_version v ON v.version = h.version
