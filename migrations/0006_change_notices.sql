-- What nodes keep in memory is dropped when it changes: each notice has the table and what finds the entry. Equal notices of
-- one transaction are one (NOTIFY folds them).
CREATE FUNCTION notify_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    notice jsonb := jsonb_build_object('table', TG_TABLE_NAME);
    key text;
BEGIN
    FOREACH key IN ARRAY TG_ARGV LOOP
        notice := notice || jsonb_build_object(key, changed -> key);
    END LOOP;
    PERFORM pg_notify('toolwright_changes', notice::text);
    RETURN NULL;
END
$$;

-- For rows that belong to a server: the notice is the server's.
CREATE FUNCTION notify_server_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed_server_id uuid := CASE TG_OP WHEN 'DELETE' THEN OLD.server_id ELSE NEW.server_id END;
BEGIN
    -- A server that is being deleted is no longer there and gives its own notice.
    PERFORM pg_notify(
        'toolwright_changes',
        jsonb_build_object('table', 'servers', 'server_id', server_id, 'slug', slug)::text
    ) FROM servers WHERE server_id = changed_server_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER tiers_changed AFTER INSERT OR UPDATE OR DELETE ON tiers
    FOR EACH ROW EXECUTE FUNCTION notify_change('name');
CREATE TRIGGER customers_changed AFTER INSERT OR UPDATE OR DELETE ON customers
    FOR EACH ROW EXECUTE FUNCTION notify_change('customer_id');
CREATE TRIGGER api_keys_changed AFTER INSERT OR UPDATE OR DELETE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION notify_change('api_key_id');
-- A release counts when the server takes it up, which is an update of the server.
CREATE TRIGGER servers_changed AFTER INSERT OR UPDATE OR DELETE ON servers
    FOR EACH ROW EXECUTE FUNCTION notify_change('server_id', 'slug');
CREATE TRIGGER environment_changed AFTER INSERT OR UPDATE OR DELETE ON environment
    FOR EACH ROW EXECUTE FUNCTION notify_server_change();
CREATE TRIGGER tools_changed AFTER INSERT OR UPDATE OR DELETE ON tools
    FOR EACH ROW EXECUTE FUNCTION notify_server_change();
