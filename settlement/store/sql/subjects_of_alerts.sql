-- Of these subjects, those of whom any alert is kept: by index, each once.
SELECT wanted.subject FROM unnest($1::bytea[]) AS wanted(subject)
WHERE EXISTS (SELECT FROM alert a WHERE a.subject = wanted.subject)
