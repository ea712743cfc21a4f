-- The oldest part of the audit log may be deleted, by the owner of the table alone: the role of the program has no right to. By whatever statement it is done,
-- it leaves an entry of its own. Entries of the last 90 days stay, none is taken from between others, and those that tell of deletions stay for ever.
DROP TRIGGER audit_entries_are_appended ON audit_entries;
CREATE TRIGGER audit_entries_are_appended BEFORE UPDATE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();

CREATE FUNCTION record_deletion_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    count bigint;
    first timestamptz;
    last timestamptz;
    refused text;
BEGIN
    SELECT count(*), min(made_at), max(made_at) INTO count, first, last FROM gone;
    IF count = 0 THEN
        RETURN NULL;
    END IF;
    refused := CASE
        WHEN last > now() - interval '90 days' THEN 'entries of the last 90 days stay'
        WHEN EXISTS (SELECT FROM gone WHERE operation = 'prune_audit') THEN 'entries that tell of deletions stay'
        WHEN EXISTS (SELECT FROM audit_entries WHERE made_at <= last AND operation <> 'prune_audit') THEN 'older ones go first'
    END;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION 'entries of the audit log are not deleted so: %', refused USING ERRCODE = 'restrict_violation';
    END IF;
    -- A UUIDv7 (RFC 9562, section 5.7), as all the others.
    INSERT INTO audit_entries (entry_id, made_at, operation, actor_kind, thing_kind, details)
    VALUES (
        (
            lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
            || substr(replace(gen_random_uuid()::text, '-', ''), 14)
        )::uuid,
        now(), 'prune_audit', 'program', 'audit',
        jsonb_build_object('count', count, 'first', first, 'last', last, 'database_user', session_user)
    );
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_entries_go_from_the_oldest_on AFTER DELETE ON audit_entries REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION record_deletion_of_audit();
