-- A checksum beside each answer: a flipped bit in its texts is in no record and no
-- other row, and for declines there is no record at all. It guards against damage,
-- not against somebody who may write here; against those stand receipts.
ALTER TABLE answer ADD COLUMN digest bytea;
UPDATE answer SET digest = sha256(request || head || tail);
ALTER TABLE answer ALTER digest SET NOT NULL;
