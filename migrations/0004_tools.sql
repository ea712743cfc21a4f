-- A deleted tool stays as a row with `removed_at`: earlier releases have it still, and a new version brings it back.
CREATE TABLE tools (
    tool_id uuid PRIMARY KEY,
    server_id uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL CHECK (name ~ '^[A-Za-z0-9_-]{1,48}$'),
    created_at timestamptz NOT NULL,
    removed_at timestamptz,
    UNIQUE (server_id, name),
    UNIQUE (server_id, tool_id)
);

-- `interface` and `grants` are json and not jsonb: the digest covers them as they were written, and jsonb would reorder them
-- and refuse a schema that speaks of U+0000.
CREATE TABLE versions (
    version_id uuid PRIMARY KEY,
    tool_id uuid NOT NULL REFERENCES tools ON DELETE CASCADE,
    language text NOT NULL CHECK (language IN ('typescript', 'javascript')),
    source text NOT NULL CHECK (octet_length(source) <= 16777216),
    -- Over source, language, grants and interface.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    -- Over source and language: with the engine's digest, the key of the artifact.
    source_digest bytea NOT NULL CHECK (octet_length(source_digest) = 32),
    interface json NOT NULL CHECK (octet_length(interface::text) <= 1048576),
    grants json NOT NULL CHECK (octet_length(grants::text) <= 1048576),
    created_at timestamptz NOT NULL,
    UNIQUE (tool_id, version_id)
);
CREATE INDEX versions_by_source ON versions (source_digest);

CREATE FUNCTION refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of % does not change', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER versions_are_immutable BEFORE UPDATE ON versions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_update();

-- Which bytes a source became under an engine. The bytes themselves are blobs, named by their digest.
CREATE TABLE artifacts (
    source_digest bytea NOT NULL CHECK (octet_length(source_digest) = 32),
    engine_digest bytea NOT NULL CHECK (octet_length(engine_digest) = 32),
    artifact_digest bytea NOT NULL CHECK (octet_length(artifact_digest) = 32),
    artifact_bytes bigint NOT NULL CHECK (artifact_bytes >= 0),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (source_digest, engine_digest)
);
CREATE INDEX artifacts_by_digest ON artifacts (artifact_digest);

-- The set of versions that a server serves from one moment on. The keys are such that a release can only have versions of
-- tools of its own server, and a server can only serve a release of its own.
CREATE TABLE releases (
    release_id uuid PRIMARY KEY,
    server_id uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    UNIQUE (server_id, release_id)
);

CREATE TABLE release_tools (
    release_id uuid NOT NULL,
    server_id uuid NOT NULL,
    tool_id uuid NOT NULL,
    version_id uuid NOT NULL,
    PRIMARY KEY (release_id, tool_id),
    FOREIGN KEY (server_id, release_id) REFERENCES releases (server_id, release_id) ON DELETE CASCADE,
    FOREIGN KEY (server_id, tool_id) REFERENCES tools (server_id, tool_id) ON DELETE CASCADE,
    FOREIGN KEY (tool_id, version_id) REFERENCES versions (tool_id, version_id) ON DELETE CASCADE
);
-- Deleting a server goes through these.
CREATE INDEX release_tools_by_tool ON release_tools (server_id, tool_id);
CREATE INDEX release_tools_by_version ON release_tools (tool_id, version_id);

CREATE TRIGGER releases_are_immutable BEFORE UPDATE ON releases
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_update();
CREATE TRIGGER release_tools_are_immutable BEFORE UPDATE ON release_tools
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_update();

ALTER TABLE servers
    ADD FOREIGN KEY (server_id, current_release_id) REFERENCES releases (server_id, release_id);
