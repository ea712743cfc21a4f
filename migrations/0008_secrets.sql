-- Secrets, sealed: whoever reads the database reads none of them. Each customer has a key of its own for its secrets, which is
-- itself sealed under a master key that the database never sees. During a rotation a customer has two.
CREATE TABLE data_keys (
    data_key_id uuid PRIMARY KEY,
    -- Without a customer, it is the platform's own, by which it signs.
    customer_id uuid REFERENCES customers ON DELETE CASCADE,
    -- Which master key opens it: the beginning of a digest, nothing that helps to guess the key.
    master_key_id text COLLATE "C" NOT NULL CHECK (master_key_id ~ '^[0-9a-f]{16}$'),
    -- A nonce of 24 bytes, the key's 32, a tag of 16.
    sealed bytea NOT NULL CHECK (octet_length(sealed) = 72),
    created_at timestamptz NOT NULL
);
CREATE INDEX data_keys_by_customer ON data_keys (customer_id, data_key_id DESC);
CREATE INDEX data_keys_by_master ON data_keys (master_key_id, data_key_id);
CREATE UNIQUE INDEX one_data_key_of_the_platform ON data_keys ((customer_id IS NULL)) WHERE customer_id IS NULL;

CREATE TABLE secrets (
    server_id uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    -- Names are shared with the environment: a name is a plain value or a secret, never both.
    name text COLLATE "C" NOT NULL CHECK (name ~ '^[A-Z][A-Z0-9_]{0,63}$'),
    -- Goes up by one with each value, and is sealed with it.
    version bigint NOT NULL CHECK (version >= 1),
    data_key_id uuid NOT NULL REFERENCES data_keys,
    -- A nonce of 24 bytes, the value in UTF-8, a tag of 16.
    sealed bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 41 AND 40 + 4 * 8192),
    -- The only hosts that may receive it, whatever a tool was granted; none of them: those that the grants name.
    hosts text[] NOT NULL CHECK (cardinality(hosts) <= 16),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (server_id, name)
);
CREATE INDEX secrets_by_data_key ON secrets (data_key_id);

CREATE TRIGGER secrets_changed AFTER INSERT OR UPDATE OR DELETE ON secrets
    FOR EACH ROW EXECUTE FUNCTION notify_server_change();

-- What the platform itself made, it signs: the database and the blob store are believed no further than that (SEC-10). An
-- artifact without a signature is made again from its source.
ALTER TABLE artifacts ADD COLUMN signature bytea CHECK (octet_length(signature) = 32);

-- Beside the versions, which do not change.
CREATE TABLE version_signatures (
    version_id uuid PRIMARY KEY REFERENCES versions ON DELETE CASCADE,
    signature bytea NOT NULL CHECK (octet_length(signature) = 32)
);
CREATE TRIGGER version_signatures_are_immutable BEFORE UPDATE ON version_signatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_update();

GRANT SELECT, INSERT, UPDATE, DELETE ON data_keys TO toolwright_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON secrets TO toolwright_runtime;
GRANT SELECT, INSERT ON version_signatures TO toolwright_runtime;
