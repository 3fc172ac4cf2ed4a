-- Further persons who keep their former state.
INSERT INTO roster_kept SELECT unnest($1::bytea[]) ON CONFLICT DO NOTHING
