-- What a customer pays for: one column a limit, named as the field of domain::Limits, its unit in its name. The numbers are
-- those of Rust: 0 to 4294967295 where the field is a u32, 0 to 9223372036854775807 where it is a u64.
CREATE TABLE tiers (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_-]{0,31}$'),
    servers_max bigint NOT NULL CHECK (servers_max BETWEEN 0 AND 4294967295),
    tools_per_server_max bigint NOT NULL CHECK (tools_per_server_max BETWEEN 0 AND 4294967295),
    artifact_bytes_max bigint NOT NULL CHECK (artifact_bytes_max >= 0),
    fuel_per_call_max bigint NOT NULL CHECK (fuel_per_call_max >= 0),
    memory_bytes_max bigint NOT NULL CHECK (memory_bytes_max >= 0),
    wall_ms_max bigint NOT NULL CHECK (wall_ms_max BETWEEN 0 AND 4294967295),
    output_bytes_max bigint NOT NULL CHECK (output_bytes_max >= 0),
    log_lines_max bigint NOT NULL CHECK (log_lines_max BETWEEN 0 AND 4294967295),
    host_calls_max bigint NOT NULL CHECK (host_calls_max BETWEEN 0 AND 4294967295),
    egress_bytes_max bigint NOT NULL CHECK (egress_bytes_max >= 0),
    concurrent_calls_max bigint NOT NULL CHECK (concurrent_calls_max BETWEEN 0 AND 4294967295),
    queue_wait_ms_max bigint NOT NULL CHECK (queue_wait_ms_max BETWEEN 0 AND 4294967295),
    calls_per_minute_max bigint NOT NULL CHECK (calls_per_minute_max BETWEEN 0 AND 4294967295),
    -- Without a number, as many as they like.
    calls_per_month_max bigint CHECK (calls_per_month_max >= 0),
    builds_per_hour_max bigint NOT NULL CHECK (builds_per_hour_max BETWEEN 0 AND 4294967295),
    generations_per_month_max bigint NOT NULL CHECK (generations_per_month_max BETWEEN 0 AND 4294967295),
    granted_hosts_max bigint NOT NULL CHECK (granted_hosts_max BETWEEN 0 AND 4294967295),
    library_modules text NOT NULL CHECK (library_modules IN ('basic', 'all')),
    record_days_max bigint NOT NULL CHECK (record_days_max BETWEEN 0 AND 4294967295)
);

INSERT INTO tiers (
    name,
    servers_max, tools_per_server_max, artifact_bytes_max, fuel_per_call_max, memory_bytes_max, wall_ms_max, output_bytes_max,
    log_lines_max, host_calls_max, egress_bytes_max, concurrent_calls_max, queue_wait_ms_max, calls_per_minute_max,
    calls_per_month_max, builds_per_hour_max, generations_per_month_max, granted_hosts_max, library_modules, record_days_max
) VALUES
    (
        'free',
        3, 10, 2 * 1048576, 5000000000, 32 * 1048576, 10000, 256 * 1024,
        100, 50, 1 * 1048576, 4, 1000, 120,
        10000, 60, 20, 3, 'basic', 3
    ),
    (
        'pro',
        25, 50, 8 * 1048576, 50000000000, 128 * 1048576, 60000, 1 * 1048576,
        1000, 500, 16 * 1048576, 32, 5000, 3000,
        1000000, 600, 500, 20, 'all', 30
    ),
    (
        'enterprise',
        500, 200, 32 * 1048576, 500000000000, 512 * 1048576, 300000, 4 * 1048576,
        10000, 5000, 256 * 1048576, 256, 10000, 60000,
        NULL, 6000, 10000, 100, 'all', 180
    );
