-- Persons reported dead ($3 tokens, $4 days of death) with a window that goes on
-- after it, begun by a day ($1). $2: rows listed. first_day: the day of death.
SELECT w.person, max(w.household) AS household, max(w.subdistrict) AS subdistrict,
       array_agg(DISTINCT w.category ORDER BY w.category) AS categories,
       d.died AS first_day, max(coalesce(w.valid_to, $1::date)) AS last_day,
       count(*) OVER () AS total
FROM unnest($3::bytea[], $4::date[]) AS d(person, died)
JOIN roster_window w ON w.person = d.person AND w.valid_from <= $1
    AND (w.valid_to IS NULL OR w.valid_to > d.died)
    AND (w.valid_to IS NULL OR w.valid_to >= w.valid_from)
GROUP BY w.person, d.died
ORDER BY w.person LIMIT $2
