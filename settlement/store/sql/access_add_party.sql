INSERT INTO party (code, role, name, level, subdistrict, settings, created_at)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7)
ON CONFLICT (code) DO NOTHING
RETURNING id
