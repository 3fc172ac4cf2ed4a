-- The version under which these bytes came in before.
SELECT version FROM roster_version WHERE version = $1 AND sha256 = $2
