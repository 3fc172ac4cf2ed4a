-- The head, locked: one import at a time.
SELECT version, as_of, key_check, last_change, scan_floor FROM roster_head FOR UPDATE
