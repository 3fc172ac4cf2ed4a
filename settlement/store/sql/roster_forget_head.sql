-- Whoever follows must read the whole roster: what is gone stands in no change.
UPDATE roster_head SET last_change = last_change + 1, scan_floor = last_change + 1
