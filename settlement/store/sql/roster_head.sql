-- Where the roster stands.
SELECT roster_id, version, as_of, key_check, last_change, scan_floor FROM roster_head
