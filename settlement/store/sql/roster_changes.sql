-- The next changes after a cursor.
SELECT seq, person, cards_changed FROM roster_change WHERE seq > $1 ORDER BY seq LIMIT $2
