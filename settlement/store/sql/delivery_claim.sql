-- The one file that is being taken in, unless there is another one. Whoever has not
-- been heard of for 30 seconds is dead; by the database's clock, because importers run
-- on several machines.
INSERT INTO roster_delivery (version, attempt, state, step, done, total, told_at)
SELECT $1::bigint, $2::bytea, 'importing', 'waiting', 0, 1, clock_timestamp()
WHERE NOT EXISTS (
    SELECT FROM roster_delivery d
    WHERE state = 'importing' AND told_at > clock_timestamp() - interval '30 seconds'
      AND NOT EXISTS (SELECT FROM roster_version v WHERE v.version = d.version))
ON CONFLICT (version) DO UPDATE
SET attempt = EXCLUDED.attempt, state = EXCLUDED.state, step = EXCLUDED.step,
    done = EXCLUDED.done, total = EXCLUDED.total, told_at = EXCLUDED.told_at,
    outcome = NULL, refused = NULL
