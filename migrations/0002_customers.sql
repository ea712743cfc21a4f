-- Tenants and their keys. Ids are UUIDs of version 7, made in Rust: they sort by age.
CREATE TABLE customers (
    customer_id uuid PRIMARY KEY,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120),
    tier text COLLATE "C" NOT NULL REFERENCES tiers (name),
    created_at timestamptz NOT NULL
);

-- A key itself is never kept, only its SHA-256. A revoked key stays as a row, so that records that name it can be explained.
CREATE TABLE api_keys (
    api_key_id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customers ON DELETE CASCADE,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120),
    sha256 bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX api_keys_by_customer ON api_keys (customer_id, api_key_id DESC);
