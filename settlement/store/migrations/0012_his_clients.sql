-- Hospitals that speak the national envelope, each with a way of showing who it is.
CREATE TABLE his_client (
    -- The account that a request names (paasid, appId), the fingerprint of a
    -- certificate, or a name of ours where the party's own keys are the proof.
    key_id text COLLATE "C" PRIMARY KEY CHECK (key_id ~ '^[A-Za-z0-9._:-]{1,80}$'),
    party_id integer NOT NULL REFERENCES party (id),
    profile text NOT NULL
        CHECK (profile IN ('x-tif', 'encdata', 'mutual-tls', 'sign-in')),
    fixmedins_code text COLLATE "C" NOT NULL
        CHECK (fixmedins_code ~ '^[A-Za-z0-9]{1,30}$'),
    networks cidr[] NOT NULL DEFAULT '{}',   -- empty: from anywhere
    sealed_secret bytea,                     -- AES-256-GCM under the gateway's key file
    public_key bytea,                        -- the hospital's, SM2: x and y
    variant jsonb NOT NULL DEFAULT '{}',     -- where vendors' signatures differ
    must_sign boolean NOT NULL,              -- RFC 9421 over the body besides
    is_weak boolean NOT NULL,                -- an operator has accepted that it is
    output_as_text boolean NOT NULL,
    infcode_as_text boolean NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CHECK ((profile IN ('x-tif', 'encdata')) = (sealed_secret IS NOT NULL)),
    CHECK ((profile = 'encdata') = (public_key IS NOT NULL)),
    CHECK (public_key IS NULL OR octet_length(public_key) = 64)
);
CREATE INDEX his_client_party ON his_client (party_id);
CREATE TRIGGER his_client_changed AFTER INSERT OR UPDATE OR DELETE ON his_client
    FOR EACH STATEMENT EXECUTE FUNCTION access_changed();
