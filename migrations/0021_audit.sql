-- The audit log: one row for each change, written in the transaction of the change (SEC-14). No foreign keys: a row outlives all that it speaks of.
CREATE TABLE audit_entries (
    entry_id uuid PRIMARY KEY,
    made_at timestamptz NOT NULL,
    -- What was done, as the table of operations names it.
    operation text COLLATE "C" NOT NULL CHECK (operation ~ '^[a-z][a-z_]{0,47}$'),
    actor_kind text NOT NULL CHECK (actor_kind IN ('admin', 'api_key', 'member', 'person', 'client', 'anyone', 'program')),
    -- The key, or the person, also the one who let a client in, or the authorization of a client that acts for itself.
    actor_id uuid,
    sign_in_id uuid,
    authorization_id uuid,
    -- As clients write it (RFC 6749, section 2.2).
    client_id text COLLATE "C" CHECK (octet_length(client_id) BETWEEN 1 AND 2048),
    -- Whose things were changed; without one, it was the platform's own, or a person's.
    customer_id uuid,
    thing_kind text COLLATE "C" NOT NULL CHECK (thing_kind ~ '^[a-z][a-z_]{0,31}$'),
    thing_id uuid,
    thing_name text CHECK (char_length(thing_name) BETWEEN 1 AND 400),
    version_id uuid,
    digest bytea CHECK (octet_length(digest) = 32),
    -- From where: without them, the program did it by itself, or by a command.
    request_id uuid,
    address inet,
    details jsonb NOT NULL CHECK (jsonb_typeof(details) = 'object' AND octet_length(details::text) <= 8192)
);
CREATE INDEX audit_entries_by_customer ON audit_entries (customer_id, entry_id DESC);
CREATE INDEX audit_entries_by_actor ON audit_entries (actor_id, entry_id DESC);
CREATE INDEX audit_entries_by_thing ON audit_entries (thing_id, entry_id DESC);
CREATE INDEX audit_entries_by_operation ON audit_entries (operation, entry_id DESC);
CREATE INDEX audit_entries_by_time ON audit_entries (made_at);

-- Whoever asks: the owner of the table, too, and a superuser. Statements, so that one which meets no row is refused as well.
CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the audit log are not changed: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_entries_are_appended BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();

GRANT SELECT, INSERT ON audit_entries TO toolwright_runtime;
GRANT EXECUTE ON FUNCTION refuse_change_of_audit() TO toolwright_runtime;

-- Who called, whatever they showed: beside the key, the person and the authorization that a record names already.
ALTER TABLE executions
    ADD COLUMN sign_in_id uuid,
    ADD COLUMN client_id text COLLATE "C" CHECK (octet_length(client_id) BETWEEN 1 AND 2048);
