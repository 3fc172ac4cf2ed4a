-- Aid of a person's settlements in force that was posted to a year, at every hospital.
SELECT coalesce(sum(s.aid_fen), 0)::bigint
FROM settlement s
WHERE s.person = $1 AND s.state = 's'
  AND EXISTS (
      SELECT FROM posting p WHERE p.log_index = s.log_index AND p.year = $2
  )
