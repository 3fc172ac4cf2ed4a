-- Every hook with the party's code and what waits for it. Numbers of events may have
-- gaps, so the distance counts a little too many where a look was rolled back.
SELECT w.id, p.code AS party, w.url, w.sealed_secret, w.cursor, w.attempts, w.next_at,
       w.last_status, w.is_on,
       greatest(0, (SELECT coalesce(max(seq), 0) FROM alert_event) - w.cursor) AS lag,
       (SELECT e.at FROM alert_event e WHERE e.seq > w.cursor ORDER BY e.seq LIMIT 1)
           AS oldest_at
FROM alert_webhook w
JOIN party p ON p.id = w.party_id
ORDER BY w.id
