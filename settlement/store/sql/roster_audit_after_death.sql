-- Persons reported dead ($3 tokens, $4 days of death) with visits settled and in force
-- that began later. $1: visits up to this day; $2: rows listed.
-- first_day: the day of death; last_day: that of the last visit.
SELECT s.person, ''::bytea AS household, max(s.subdistrict) AS subdistrict,
       array_agg(DISTINCT s.category ORDER BY s.category) AS categories,
       d.died AS first_day, max(s.service_start) AS last_day,
       count(*) OVER () AS total
FROM unnest($3::bytea[], $4::date[]) AS d(person, died)
JOIN settlement s ON s.person = d.person AND s.state = 's'
    AND s.service_start > d.died AND s.service_start <= $1
GROUP BY s.person, d.died
ORDER BY s.person LIMIT $2
