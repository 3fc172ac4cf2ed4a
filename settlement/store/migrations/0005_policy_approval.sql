-- Who has approved which policy pack, and from when it is applied.

CREATE TABLE policy_approval (
    pack_no integer NOT NULL REFERENCES policy_pack (no),
    party_id integer NOT NULL REFERENCES party (id),
    key_id text COLLATE "C" NOT NULL REFERENCES party_key (key_id),
    signature bytea NOT NULL CHECK (length(signature) = 64),
    signed_at timestamptz NOT NULL,
    -- One person approves once, however many keys they have.
    PRIMARY KEY (pack_no, party_id)
);

-- A pack is staged first and active from its activation on; nothing else of it ever
-- changes, and it never goes away.
CREATE FUNCTION policy_pack_is_final() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NOT OLD.active AND NEW.active
       AND (NEW.no, NEW.id, NEW.version, NEW.sha256, NEW.document)
         = (OLD.no, OLD.id, OLD.version, OLD.sha256, OLD.document) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a policy pack never changes; a correction is a new version';
END
$$;
CREATE TRIGGER policy_pack_final BEFORE UPDATE OR DELETE ON policy_pack
    FOR EACH ROW EXECUTE FUNCTION policy_pack_is_final();

CREATE FUNCTION policy_approval_is_final() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an approval is never changed or taken back';
END
$$;
CREATE TRIGGER policy_approval_final BEFORE UPDATE OR DELETE ON policy_approval
    FOR EACH ROW EXECUTE FUNCTION policy_approval_is_final();
