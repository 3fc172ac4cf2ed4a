-- Whether a file is being taken in.
SELECT EXISTS (
    SELECT FROM roster_delivery d
    WHERE state = 'importing' AND told_at > clock_timestamp() - interval '30 seconds'
      AND NOT EXISTS (SELECT FROM roster_version v WHERE v.version = d.version))
