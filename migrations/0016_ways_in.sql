-- Further ways in: clients that act for a customer, and devices without a browser.

-- A client that a customer made to act for itself (RFC 6749, section 4.4): it does not expire, and does nothing but what it was made for. One that
-- registered itself has none of this.
ALTER TABLE clients
    ALTER COLUMN expires_at DROP NOT NULL,
    ADD COLUMN customer_id uuid REFERENCES customers ON DELETE CASCADE,
    -- The one server that it may use; without it, the management API, as a member of this role.
    ADD COLUMN server_id uuid REFERENCES servers ON DELETE CASCADE,
    ADD COLUMN role text CHECK (role IN ('viewer', 'editor')),
    ADD COLUMN scopes text CHECK (octet_length(scopes) BETWEEN 1 AND 8192),
    ADD CHECK ((customer_id IS NULL) = (expires_at IS NOT NULL)),
    ADD CHECK ((customer_id IS NULL) = (scopes IS NULL)),
    ADD CHECK (CASE WHEN customer_id IS NULL THEN num_nonnulls(server_id, role) = 0 ELSE num_nonnulls(server_id, role) = 1 END),
    ADD CHECK (customer_id IS NULL OR registration_sha256 IS NULL);
CREATE INDEX clients_by_customer ON clients (customer_id, client_key DESC) WHERE customer_id IS NOT NULL;
CREATE INDEX clients_by_server ON clients (server_id) WHERE server_id IS NOT NULL;

-- What devices ask for, until a person decides and the device has its tokens (RFC 8628). Both codes are known by their SHA-256 alone.
CREATE TABLE device_grants (
    sha256 bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    user_code_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(user_code_sha256) = 32),
    -- As clients write it: the id of a registered client, or the URL of a metadata document.
    client_id text COLLATE "C" NOT NULL CHECK (octet_length(client_id) BETWEEN 1 AND 2048),
    client_key uuid REFERENCES clients ON DELETE CASCADE,
    -- The audience of the tokens (RFC 8707).
    resource text NOT NULL CHECK (octet_length(resource) BETWEEN 1 AND 2048),
    scopes text NOT NULL CHECK (octet_length(scopes) BETWEEN 1 AND 8192),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'denied', 'redeemed')),
    -- Seconds between two questions of the device, at least.
    interval_s integer NOT NULL CHECK (interval_s BETWEEN 1 AND 3600),
    polled_at timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- What the person allowed.
    authorization_id uuid REFERENCES authorizations ON DELETE CASCADE,
    CHECK ((authorization_id IS NOT NULL) = (state IN ('approved', 'redeemed')))
);
CREATE INDEX device_grants_by_client ON device_grants (client_key);
CREATE INDEX device_grants_by_authorization ON device_grants (authorization_id);
CREATE INDEX device_grants_by_expiry ON device_grants (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON device_grants TO toolwright_runtime;
