-- Passkeys: a way in beside the password (Web Authentication Level 3).
CREATE TABLE passkeys (
    passkey_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- As the authenticator chose it. One credential is one person's, whoever shows it (section 7.1, step 26).
    credential_id bytea NOT NULL UNIQUE CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
    -- The public key with its signature counter, as JSON. Nothing in it is a secret.
    credential text NOT NULL CHECK (octet_length(credential) BETWEEN 2 AND 16384),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120),
    created_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX passkeys_by_user ON passkeys (user_id, passkey_id DESC);

-- Ceremonies that ended well: what a browser signed once counts once. What the browser carries between begin and end is sealed and dated, so that
-- nothing is kept of those that never end.
CREATE TABLE passkey_ceremonies (
    ceremony_id uuid PRIMARY KEY,
    -- From when on the sealed text does not count anyway.
    expires_at timestamptz NOT NULL
);
CREATE INDEX passkey_ceremonies_by_expiry ON passkey_ceremonies (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON passkeys TO toolwright_runtime;
GRANT SELECT, INSERT, DELETE ON passkey_ceremonies TO toolwright_runtime;
