-- How people sign in by accounts that they have elsewhere (OpenID Connect). An identity is somebody there, as the issuer names them for ever:
-- never an e-mail address, which changes hands.
CREATE TABLE identities (
    identity_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- Byte for byte as its tokens say it (OpenID Connect Core 1.0, section 2).
    issuer text COLLATE "C" NOT NULL CHECK (char_length(issuer) BETWEEN 1 AND 512),
    subject text COLLATE "C" NOT NULL CHECK (octet_length(subject) BETWEEN 1 AND 255),
    -- What the issuer called them last, so that they know it again; nothing is decided by it.
    label text CHECK (char_length(label) BETWEEN 1 AND 254),
    created_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    UNIQUE (issuer, subject)
);
CREATE INDEX identities_by_user ON identities (user_id, identity_id);

-- Answers of issuers that came back, until nobody could bring them a second time: each counts once, on whichever node.
CREATE TABLE upstream_answers (
    state_sha256 bytea PRIMARY KEY CHECK (octet_length(state_sha256) = 32),
    expires_at timestamptz NOT NULL
);
CREATE INDEX upstream_answers_by_expiry ON upstream_answers (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON identities TO toolwright_runtime;
GRANT SELECT, INSERT, DELETE ON upstream_answers TO toolwright_runtime;
