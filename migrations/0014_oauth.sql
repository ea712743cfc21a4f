-- Clients of the authorization server, what people let them do, and what came of it. Of everything that opens something only a
-- SHA-256 is kept.

-- Who may use a server, besides its customer's API keys (domain::AccessPolicy).
ALTER TABLE servers
    ADD COLUMN access text NOT NULL DEFAULT 'members' CHECK (access IN ('owner', 'members', 'consent', 'public'));

-- A call that came with an access token names the authorization, and the user who gave it.
ALTER TABLE executions
    ADD COLUMN authorization_id uuid,
    ADD COLUMN user_id uuid;

-- What access tokens are signed with (ES256). One key signs at a time; those before it verify until their last token has expired.
CREATE TABLE signing_keys (
    -- The thumbprint of the public key (RFC 7638).
    kid text COLLATE "C" PRIMARY KEY CHECK (kid ~ '^[A-Za-z0-9_-]{43}$'),
    -- The point, uncompressed (SEC 1, section 2.3.3).
    public_key bytea NOT NULL CHECK (octet_length(public_key) = 65),
    -- The private number, sealed under the platform's own data key: a nonce of 24 bytes, 32 bytes, a tag of 16.
    sealed bytea NOT NULL CHECK (octet_length(sealed) = 72),
    created_at timestamptz NOT NULL,
    -- From then on it signs no more.
    replaced_at timestamptz,
    -- From then on what it signed is not believed any more.
    verifies_until timestamptz,
    CHECK ((replaced_at IS NULL) = (verifies_until IS NULL))
);
CREATE UNIQUE INDEX one_key_signs ON signing_keys ((replaced_at IS NULL)) WHERE replaced_at IS NULL;

-- Clients that registered themselves (RFC 7591). A client that is a metadata document has no row.
CREATE TABLE clients (
    client_key uuid PRIMARY KEY,
    -- JSON, as it was checked at the door.
    metadata text NOT NULL CHECK (octet_length(metadata) <= 32768),
    -- Of the client's secret; a public client and one with keys of its own have none.
    secret_sha256 bytea CHECK (octet_length(secret_sha256) = 32),
    -- Of the token by which it changes its registration (RFC 7592).
    registration_sha256 bytea CHECK (octet_length(registration_sha256) = 32),
    created_at timestamptz NOT NULL,
    -- Absent until somebody lets it in.
    last_used_at timestamptz,
    -- From then on it does not exist. Use moves it.
    expires_at timestamptz NOT NULL
);
CREATE INDEX clients_by_creation ON clients (created_at);
CREATE INDEX clients_by_expiry ON clients (expires_at);

-- What a user lets a client do, on a server or with all of a customer (the management API).
CREATE TABLE consents (
    consent_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- As clients write it: the id of a registered client, or the URL of a metadata document.
    client_id text COLLATE "C" NOT NULL CHECK (octet_length(client_id) BETWEEN 1 AND 2048),
    -- As the consent page showed it.
    client_name text NOT NULL CHECK (char_length(client_name) <= 200),
    server_id uuid REFERENCES servers ON DELETE CASCADE,
    customer_id uuid REFERENCES customers ON DELETE CASCADE,
    scopes text NOT NULL CHECK (octet_length(scopes) BETWEEN 1 AND 8192),
    given_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CHECK ((server_id IS NULL) <> (customer_id IS NULL))
);
CREATE UNIQUE INDEX one_consent_for_a_server ON consents (user_id, client_id, server_id) WHERE server_id IS NOT NULL;
CREATE UNIQUE INDEX one_consent_for_a_customer ON consents (user_id, client_id, customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX consents_by_user ON consents (user_id, consent_id DESC);
CREATE INDEX consents_by_server ON consents (server_id);
CREATE INDEX consents_by_customer ON consents (customer_id);

-- One issued right: the family of the code, the refresh tokens and the access tokens that came of one consent. Its end is theirs.
CREATE TABLE authorizations (
    authorization_id uuid PRIMARY KEY,
    -- Without a consent, it is that of a client which acts for itself; then it has no user either.
    consent_id uuid REFERENCES consents ON DELETE CASCADE,
    user_id uuid REFERENCES users ON DELETE CASCADE,
    client_id text COLLATE "C" NOT NULL CHECK (octet_length(client_id) BETWEEN 1 AND 2048),
    -- The row of a registered client, with which it goes.
    client_key uuid REFERENCES clients ON DELETE CASCADE,
    server_id uuid REFERENCES servers ON DELETE CASCADE,
    customer_id uuid REFERENCES customers ON DELETE CASCADE,
    -- The audience of its tokens (RFC 8707).
    resource text NOT NULL CHECK (octet_length(resource) BETWEEN 1 AND 2048),
    scopes text NOT NULL CHECK (octet_length(scopes) BETWEEN 1 AND 8192),
    -- How often its refresh token was replaced, and when last.
    generation bigint NOT NULL DEFAULT 0 CHECK (generation >= 0),
    rotated_at timestamptz,
    created_at timestamptz NOT NULL,
    -- Of the code, of the last refresh.
    last_used_at timestamptz,
    -- From then on nothing that came of it is worth anything: that of its code at first, moved by what it gives out.
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CHECK ((server_id IS NULL) <> (customer_id IS NULL)),
    CHECK ((consent_id IS NULL) = (user_id IS NULL))
);
CREATE INDEX authorizations_by_consent ON authorizations (consent_id, authorization_id DESC);
CREATE INDEX authorizations_by_user ON authorizations (user_id, authorization_id DESC);
CREATE INDEX authorizations_by_client ON authorizations (client_key);
CREATE INDEX authorizations_by_server ON authorizations (server_id);
CREATE INDEX authorizations_by_customer ON authorizations (customer_id);
CREATE INDEX authorizations_by_expiry ON authorizations (expires_at);
CREATE INDEX authorizations_revoked ON authorizations (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE authorization_codes (
    sha256 bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    authorization_id uuid NOT NULL UNIQUE REFERENCES authorizations ON DELETE CASCADE,
    redirect_uri text NOT NULL CHECK (octet_length(redirect_uri) BETWEEN 1 AND 2048),
    -- S256 of the verifier (RFC 7636).
    code_challenge bytea NOT NULL CHECK (octet_length(code_challenge) = 32),
    expires_at timestamptz NOT NULL,
    -- Burnt: somebody showed it who had not asked for it.
    state text NOT NULL DEFAULT 'fresh' CHECK (state IN ('fresh', 'redeemed', 'burnt'))
);
CREATE INDEX authorization_codes_by_expiry ON authorization_codes (expires_at);

-- They go with their authorization, and the oldest of many before it.
CREATE TABLE refresh_tokens (
    sha256 bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    authorization_id uuid NOT NULL REFERENCES authorizations ON DELETE CASCADE,
    -- Which of the authorization's it is, from 0 on.
    generation bigint NOT NULL CHECK (generation >= 0),
    UNIQUE (authorization_id, generation)
);

-- Statements by which clients proved to be themselves (RFC 7523), so that each is taken once.
CREATE TABLE used_assertions (
    -- Of the client's id and the statement's.
    sha256 bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    expires_at timestamptz NOT NULL
);
CREATE INDEX used_assertions_by_expiry ON used_assertions (expires_at);

CREATE TRIGGER signing_keys_changed AFTER INSERT OR UPDATE OR DELETE ON signing_keys
    FOR EACH ROW EXECUTE FUNCTION notify_change('kid');
CREATE TRIGGER clients_changed AFTER UPDATE OF metadata, secret_sha256 OR DELETE ON clients
    FOR EACH ROW EXECUTE FUNCTION notify_change('client_key');
-- A new one is in nobody's memory, and a refresh changes nothing that anybody remembers.
CREATE TRIGGER authorizations_ended AFTER DELETE ON authorizations
    FOR EACH ROW EXECUTE FUNCTION notify_change('authorization_id');
CREATE TRIGGER authorizations_changed AFTER UPDATE OF revoked_at ON authorizations
    FOR EACH ROW EXECUTE FUNCTION notify_change('authorization_id');

GRANT SELECT, INSERT, UPDATE, DELETE ON signing_keys, clients, consents, authorizations, authorization_codes, refresh_tokens,
    used_assertions TO toolwright_runtime;
