-- A key may hold on to what its client has read of each tool (SEC-18): what says something else later is not served through it
-- before somebody has accepted that.
ALTER TABLE api_keys ADD COLUMN pins_definitions boolean NOT NULL DEFAULT false;

CREATE TABLE definition_pins (
    api_key_id uuid NOT NULL REFERENCES api_keys ON DELETE CASCADE,
    server_id uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    -- By its name, which is what the client calls: a tool that is deleted and made again is held against what was read before.
    name text COLLATE "C" NOT NULL CHECK (name ~ '^[A-Za-z0-9_-]{1,48}$'),
    -- Of the definition that was read.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    -- The version that said it. Versions go with their server alone.
    version_id uuid NOT NULL REFERENCES versions ON DELETE CASCADE,
    pinned_at timestamptz NOT NULL,
    PRIMARY KEY (api_key_id, server_id, name)
);
CREATE INDEX definition_pins_by_server ON definition_pins (server_id);
CREATE INDEX definition_pins_by_version ON definition_pins (version_id);

-- They go with their key or their server, which give their own notice.
CREATE TRIGGER definition_pins_changed AFTER INSERT OR UPDATE ON definition_pins
    FOR EACH ROW EXECUTE FUNCTION notify_change('api_key_id', 'server_id');

GRANT SELECT, INSERT, UPDATE ON definition_pins TO toolwright_runtime;
