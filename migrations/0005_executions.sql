-- One row a call. No foreign keys: a record outlives the server, the tool and the version that it speaks of.
CREATE TABLE executions (
    call_id uuid PRIMARY KEY,
    request_id uuid NOT NULL,
    -- The node that ran it: a restart closes the open rows of its own.
    node_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    -- Without one, the call did not come with an API key.
    api_key_id uuid,
    server_id uuid NOT NULL,
    server_slug text COLLATE "C" NOT NULL CHECK (char_length(server_slug) <= 63),
    tool_name text NOT NULL CHECK (char_length(tool_name) <= 48),
    version_id uuid NOT NULL,
    -- The artifact that ran; without one, none did.
    digest bytea CHECK (octet_length(digest) = 32),
    status text NOT NULL CHECK (status IN (
        'running', 'success', 'tool_error', 'invalid_arguments', 'invalid_result', 'limit_exceeded', 'trap', 'cancelled',
        'interrupted'
    )),
    -- What the tool last said it is doing.
    stage text CHECK (char_length(stage) <= 200),
    progress double precision CHECK (progress BETWEEN '-1e308' AND '1e308'),
    progress_total double precision CHECK (progress_total BETWEEN '-1e308' AND '1e308'),
    queued_at timestamptz NOT NULL,
    started_at timestamptz,
    completed_at timestamptz,
    -- The receipt (domain::Receipt); absent while the call runs, and if the platform stopped under it.
    fuel bigint CHECK (fuel >= 0),
    memory_bytes_peak bigint CHECK (memory_bytes_peak >= 0),
    wall_us bigint CHECK (wall_us >= 0),
    cpu_us bigint CHECK (cpu_us >= 0),
    queue_us bigint CHECK (queue_us >= 0),
    host_calls bigint CHECK (host_calls BETWEEN 0 AND 4294967295),
    egress_bytes bigint CHECK (egress_bytes >= 0),
    output_bytes bigint CHECK (output_bytes >= 0),
    log_lines bigint CHECK (log_lines BETWEEN 0 AND 4294967295),
    error_message text CHECK (char_length(error_message) <= 1000),
    CHECK ((status = 'running') = (completed_at IS NULL))
);
CREATE INDEX executions_by_customer ON executions (customer_id, call_id DESC);
CREATE INDEX executions_by_server ON executions (customer_id, server_slug, call_id DESC);
CREATE INDEX executions_by_status ON executions (customer_id, status, call_id DESC);
-- Retention goes by the customer's tier.
CREATE INDEX executions_by_completion ON executions (customer_id, completed_at);
CREATE INDEX executions_open ON executions (node_id) WHERE status = 'running';

CREATE FUNCTION refuse_second_start() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'call % has started already', OLD.call_id USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER executions_start_once BEFORE UPDATE ON executions
    FOR EACH ROW WHEN (OLD.started_at IS NOT NULL AND NEW.started_at IS DISTINCT FROM OLD.started_at)
    EXECUTE FUNCTION refuse_second_start();

-- Calls of a calendar month (UTC), counted in blocks that nodes lease.
CREATE TABLE monthly_calls (
    customer_id uuid NOT NULL REFERENCES customers ON DELETE CASCADE,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    calls bigint NOT NULL CHECK (calls >= 0),
    PRIMARY KEY (customer_id, month)
);
