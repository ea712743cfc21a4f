-- People. One person has one account, whatever customers they are members of.
CREATE TABLE users (
    user_id uuid PRIMARY KEY,
    -- In lower case, so that it is unique as people understand it.
    email text COLLATE "C" NOT NULL UNIQUE CHECK (char_length(email) BETWEEN 3 AND 254 AND email = lower(email)),
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120),
    -- As argon2 writes it, with its parameters and salt; none for somebody who signs in another way.
    password text CHECK (password LIKE '$argon2id$%' AND char_length(password) <= 256),
    created_at timestamptz NOT NULL,
    password_changed_at timestamptz,
    -- Somebody who is disabled neither signs in nor lets anything in.
    disabled_at timestamptz
);

CREATE TABLE members (
    customer_id uuid NOT NULL REFERENCES customers ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('viewer', 'editor', 'owner')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id);

-- The link's token is never kept, only its SHA-256. What was accepted or revoked stays, so that the link can say so.
CREATE TABLE invitations (
    invitation_id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customers ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('viewer', 'editor', 'owner')),
    -- Whom it is for; none: whoever has the link.
    email text COLLATE "C" CHECK (char_length(email) <= 254 AND email = lower(email)),
    sha256 bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    -- None: whoever runs the installation.
    invited_by uuid REFERENCES users ON DELETE SET NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    accepted_at timestamptz,
    accepted_by uuid REFERENCES users ON DELETE SET NULL
);
CREATE INDEX invitations_by_customer ON invitations (customer_id, invitation_id DESC);

-- What a browser's cookie stands for. The cookie is never kept, only its SHA-256. A sign-in that ended is no row any more.
CREATE TABLE sign_ins (
    sign_in_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    sha256 bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    -- What it was made with, in words, such as "Firefox on Linux".
    device text NOT NULL CHECK (char_length(device) <= 120),
    created_at timestamptz NOT NULL,
    -- To the minute.
    used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sign_ins_by_user ON sign_ins (user_id, sign_in_id DESC);
CREATE INDEX sign_ins_by_expiry ON sign_ins (expires_at);

CREATE TRIGGER users_changed AFTER UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION notify_change('user_id');
-- What a person may do is kept by person.
CREATE TRIGGER members_changed AFTER INSERT OR UPDATE OR DELETE ON members
    FOR EACH ROW EXECUTE FUNCTION notify_change('user_id');
-- Only the end is news: that it was used again is written every minute.
CREATE TRIGGER sign_ins_changed AFTER DELETE ON sign_ins
    FOR EACH ROW EXECUTE FUNCTION notify_change('sign_in_id');

GRANT SELECT, INSERT, UPDATE ON users TO toolwright_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON members TO toolwright_runtime;
GRANT SELECT, INSERT, UPDATE ON invitations TO toolwright_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_ins TO toolwright_runtime;
