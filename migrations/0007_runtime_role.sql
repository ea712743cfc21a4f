-- The program works as this role: it reads and writes rows and can do nothing to the tables themselves. Roles belong to the
-- whole cluster, so it may be there already, or another database's migration may be making it at this moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'toolwright_runtime') THEN
        CREATE ROLE toolwright_runtime NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

GRANT SELECT, INSERT, UPDATE ON tiers TO toolwright_runtime;
GRANT SELECT, INSERT, UPDATE ON customers TO toolwright_runtime;
GRANT SELECT, INSERT, UPDATE ON api_keys TO toolwright_runtime;
-- No DELETE: a slug is given out once.
GRANT SELECT, INSERT ON slugs TO toolwright_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON servers TO toolwright_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON environment TO toolwright_runtime;
-- Tools, versions and releases go with their server (the foreign keys do that as the owner), and never one by one.
GRANT SELECT, INSERT, UPDATE ON tools TO toolwright_runtime;
GRANT SELECT, INSERT ON versions TO toolwright_runtime;
GRANT SELECT, INSERT ON releases TO toolwright_runtime;
GRANT SELECT, INSERT ON release_tools TO toolwright_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON artifacts TO toolwright_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON executions TO toolwright_runtime;
GRANT SELECT, INSERT, UPDATE ON monthly_calls TO toolwright_runtime;
-- It sees whether the migrations of its program have run.
GRANT SELECT ON _sqlx_migrations TO toolwright_runtime;

-- A trigger's function runs as whoever writes the row.
GRANT EXECUTE ON FUNCTION notify_change(), notify_server_change(), refuse_update(), refuse_second_start() TO toolwright_runtime;
