INSERT INTO his_client (
    key_id, party_id, profile, fixmedins_code, networks, sealed_secret, public_key,
    variant, must_sign, is_weak, output_as_text, infcode_as_text, created_at
) VALUES ($1, $2, $3, $4, $5::text[]::cidr[], $6, $7, $8::jsonb, $9, $10, $11, $12, $13)
ON CONFLICT DO NOTHING
RETURNING key_id
