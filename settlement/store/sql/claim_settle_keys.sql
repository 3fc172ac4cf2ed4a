-- Claim (facility, key) pairs; the UNIQUE index decides, a twin in flight is waited for.
-- The roster's version comes along, so that an older cache is noticed.
-- Rows arrive sorted, so that two batches never wait for each other in a circle.
INSERT INTO settle_key SELECT * FROM unnest($1::settle_key[])
ON CONFLICT DO NOTHING
RETURNING id,
    (SELECT version FROM roster_head) AS roster_version,
    (SELECT as_of FROM roster_head) AS roster_as_of
