-- The first original that comes after its key was stopped takes the key's second place.
UPDATE settle_key k SET late_id = late.id, late_month = late.month
FROM unnest($1::settle_key[]) AS late
WHERE k.facility_id = late.facility_id AND k.key = late.key
  AND k.tombstone AND k.late_id IS NULL
RETURNING k.late_id AS id
