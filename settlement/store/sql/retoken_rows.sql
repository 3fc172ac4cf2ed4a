-- Roughly how many rows tables ($1) have, with all their partitions.
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
FROM unnest($1::text[]) AS t(name)
CROSS JOIN LATERAL pg_partition_tree(t.name::regclass) AS p
JOIN pg_class c ON c.oid = p.relid
WHERE p.isleaf
