-- Who may call: parties, their keys, sessions, and the nonces of signed requests.

CREATE TABLE party (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text COLLATE "C" NOT NULL UNIQUE CHECK (code ~ '^[A-Za-z0-9._-]{1,32}$'),
    role text NOT NULL CHECK (role IN ('facility', 'bureau', 'officer', 'auditor')),
    name text NOT NULL,
    level smallint CHECK (level BETWEEN 1 AND 3),
    subdistrict text NOT NULL DEFAULT '',
    -- {"signed_requests": true}: settlements and reversals carry a signature too
    settings jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    CHECK ((role = 'facility') = (level IS NOT NULL))
);

CREATE TABLE party_key (
    key_id text COLLATE "C" PRIMARY KEY,
    party_id integer NOT NULL REFERENCES party (id),
    alg text NOT NULL CHECK (alg IN ('hmac-sha256', 'ed25519')),
    sealed_secret bytea,             -- AES-256-GCM under the gateway's key file
    public_key bytea,
    not_before timestamptz NOT NULL,
    revoked_at timestamptz,
    CHECK ((alg = 'hmac-sha256') = (sealed_secret IS NOT NULL)),
    CHECK ((alg = 'ed25519') = (public_key IS NOT NULL)),
    CHECK (public_key IS NULL OR length(public_key) = 32)
);
CREATE INDEX party_key_party ON party_key (party_id);

-- Tokens stand here as SHA-256 only: who reads this table cannot call.
CREATE TABLE session (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    party_id integer NOT NULL REFERENCES party (id),
    key_id text COLLATE "C" NOT NULL REFERENCES party_key (key_id),
    operator text NOT NULL,
    opened_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CHECK (expires_at > opened_at AND expires_at <= opened_at + interval '12 hours')
);
CREATE INDEX session_key ON session (key_id);
CREATE INDEX session_expiry ON session (expires_at);

-- Once for all workers and across restarts (RFC 9421, section 7.2.2).
CREATE TABLE nonce (
    key_id text COLLATE "C" NOT NULL,
    nonce text COLLATE "C" NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (key_id, nonce)
);
CREATE INDEX nonce_age ON nonce (seen_at);

-- Rises with every change of parties and keys, whoever makes it. Workers listen,
-- and poll it in case a notification was lost.
CREATE TABLE access_version (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL
);
INSERT INTO access_version (version) VALUES (1);

CREATE FUNCTION access_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE access_version SET version = version + 1;
    PERFORM pg_notify('medaid_access', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER party_changed AFTER INSERT OR UPDATE OR DELETE ON party
    FOR EACH STATEMENT EXECUTE FUNCTION access_changed();
CREATE TRIGGER party_key_changed AFTER INSERT OR UPDATE OR DELETE ON party_key
    FOR EACH STATEMENT EXECUTE FUNCTION access_changed();
