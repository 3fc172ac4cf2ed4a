-- As claim_settle_keys, for the keys of reversals.
INSERT INTO reversal_key SELECT * FROM unnest($1::reversal_key[])
ON CONFLICT DO NOTHING
RETURNING id
