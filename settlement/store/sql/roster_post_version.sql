-- The file is in.
INSERT INTO roster_version (
    version, kind, previous_version, as_of, sha256, rows, refused, persons_changed,
    windows_upserted, windows_ended, key_id, imported_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
