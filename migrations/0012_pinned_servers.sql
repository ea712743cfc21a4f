-- A server's own words, its title and its description, change without a release, and models read them: a key that pins definitions
-- holds on to those, too (SEC-18).
CREATE TABLE server_pins (
    api_key_id uuid NOT NULL REFERENCES api_keys ON DELETE CASCADE,
    server_id uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    -- What was read. A server has no versions that could be asked for it later. Checked as a server's own.
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    description text NOT NULL CHECK (char_length(description) <= 4000),
    pinned_at timestamptz NOT NULL,
    PRIMARY KEY (api_key_id, server_id)
);
CREATE INDEX server_pins_by_server ON server_pins (server_id);

-- They go with their key or their server, which give their own notice.
CREATE TRIGGER server_pins_changed AFTER INSERT OR UPDATE ON server_pins
    FOR EACH ROW EXECUTE FUNCTION notify_change('api_key_id', 'server_id');

GRANT SELECT, INSERT, UPDATE ON server_pins TO toolwright_runtime;
