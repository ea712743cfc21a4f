-- Every slug that was ever given out. Nothing deletes from here: a name that clients once trusted never finds a new owner.
CREATE TABLE slugs (
    slug text COLLATE "C" PRIMARY KEY CHECK (slug ~ '^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$'),
    given_out_at timestamptz NOT NULL
);

CREATE TABLE servers (
    server_id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customers,
    slug text COLLATE "C" NOT NULL UNIQUE REFERENCES slugs,
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    description text NOT NULL CHECK (char_length(description) <= 4000),
    -- What it serves; nothing before its first release. The foreign key comes with the releases.
    current_release_id uuid,
    created_at timestamptz NOT NULL
);
CREATE INDEX servers_by_customer ON servers (customer_id, server_id DESC);

-- Values that a server's tools may read, if they were granted the name.
CREATE TABLE environment (
    server_id uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL CHECK (name ~ '^[A-Z][A-Z0-9_]{0,63}$'),
    value text NOT NULL CHECK (char_length(value) <= 8192),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (server_id, name)
);
