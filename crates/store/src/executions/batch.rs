//! Many records in one statement: a column an array.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{CallId, Receipt};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ERROR_CHARS_MAX, Execution, STAGE_CHARS_MAX};
use crate::number;

/// Inserts records; one that is there and open is replaced, one that is there and final stays. Of a call that waits for its client the runs may be
/// on several nodes, each of which writes behind them: what knows of more fuel is the later.
pub(super) async fn upsert(connection: &mut PgConnection, executions: &[Execution]) -> Result<(), sqlx::Error> {
    let columns = Columns::of(&last_of_each(executions));
    sqlx::query!(
        "INSERT INTO executions (
            call_id, request_id, node_id, customer_id, api_key_id, server_id, server_slug, tool_name, version_id, digest, status,
            stage, progress, progress_total, queued_at, started_at, completed_at, fuel, memory_bytes_peak, wall_us, cpu_us,
            queue_us, host_calls, egress_bytes, output_bytes, log_lines, error_message, authorization_id, user_id, sign_in_id,
            client_id
        )
        SELECT * FROM unnest(
            $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::uuid[],
            $10::bytea[], $11::text[], $12::text[], $13::float8[], $14::float8[], $15::timestamptz[], $16::timestamptz[],
            $17::timestamptz[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[],
            $24::bigint[], $25::bigint[], $26::bigint[], $27::text[], $28::uuid[], $29::uuid[], $30::uuid[], $31::text[]
        )
        ON CONFLICT (call_id) DO UPDATE SET
            node_id = excluded.node_id,
            status = excluded.status,
            digest = excluded.digest,
            stage = coalesce(excluded.stage, executions.stage),
            progress = coalesce(excluded.progress, executions.progress),
            progress_total = coalesce(excluded.progress_total, executions.progress_total),
            started_at = coalesce(executions.started_at, excluded.started_at),
            completed_at = excluded.completed_at,
            fuel = excluded.fuel,
            memory_bytes_peak = excluded.memory_bytes_peak,
            wall_us = excluded.wall_us, cpu_us = excluded.cpu_us, queue_us = excluded.queue_us,
            host_calls = excluded.host_calls,
            egress_bytes = excluded.egress_bytes,
            output_bytes = excluded.output_bytes,
            log_lines = excluded.log_lines,
            error_message = excluded.error_message
        WHERE executions.status IN ('running', 'waiting')
            AND NOT (excluded.status = 'waiting' AND coalesce(executions.fuel > excluded.fuel, false))",
        &columns.call_id,
        &columns.request_id,
        &columns.node_id,
        &columns.customer_id,
        &columns.api_key_id as &[Option<Uuid>],
        &columns.server_id,
        &columns.server_slug,
        &columns.tool_name,
        &columns.version_id,
        &columns.digest as &[Option<Vec<u8>>],
        &columns.status as &[&str],
        &columns.stage as &[Option<String>],
        &columns.progress as &[Option<f64>],
        &columns.progress_total as &[Option<f64>],
        &columns.queued_at,
        &columns.started_at as &[Option<DateTime<Utc>>],
        &columns.completed_at as &[Option<DateTime<Utc>>],
        &columns.fuel as &[Option<i64>],
        &columns.memory_bytes_peak as &[Option<i64>],
        &columns.wall_us as &[Option<i64>],
        &columns.cpu_us as &[Option<i64>],
        &columns.queue_us as &[Option<i64>],
        &columns.host_calls as &[Option<i64>],
        &columns.egress_bytes as &[Option<i64>],
        &columns.output_bytes as &[Option<i64>],
        &columns.log_lines as &[Option<i64>],
        &columns.error_message as &[Option<String>],
        &columns.authorization_id as &[Option<Uuid>],
        &columns.user_id as &[Option<Uuid>],
        &columns.sign_in_id as &[Option<Uuid>],
        &columns.client_id as &[Option<String>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A statement touches a row once: of the open and the final record of one call, the final one counts, and of two of a kind
/// the later.
fn last_of_each(executions: &[Execution]) -> Vec<&Execution> {
    let mut places: HashMap<CallId, usize> = HashMap::with_capacity(executions.len());
    let mut last: Vec<&Execution> = Vec::with_capacity(executions.len());
    for execution in executions {
        if let Some(earlier) = places.get(&execution.call).and_then(|&place| last.get_mut(place)) {
            if !earlier.status.is_final() || execution.status.is_final() {
                *earlier = execution;
            }
        } else {
            places.insert(execution.call, last.len());
            last.push(execution);
        }
    }
    last
}

#[derive(Default)]
struct Columns {
    call_id: Vec<Uuid>,
    request_id: Vec<Uuid>,
    node_id: Vec<Uuid>,
    customer_id: Vec<Uuid>,
    api_key_id: Vec<Option<Uuid>>,
    server_id: Vec<Uuid>,
    server_slug: Vec<String>,
    tool_name: Vec<String>,
    version_id: Vec<Uuid>,
    digest: Vec<Option<Vec<u8>>>,
    status: Vec<&'static str>,
    stage: Vec<Option<String>>,
    progress: Vec<Option<f64>>,
    progress_total: Vec<Option<f64>>,
    queued_at: Vec<DateTime<Utc>>,
    started_at: Vec<Option<DateTime<Utc>>>,
    completed_at: Vec<Option<DateTime<Utc>>>,
    fuel: Vec<Option<i64>>,
    memory_bytes_peak: Vec<Option<i64>>,
    wall_us: Vec<Option<i64>>,
    cpu_us: Vec<Option<i64>>,
    queue_us: Vec<Option<i64>>,
    host_calls: Vec<Option<i64>>,
    egress_bytes: Vec<Option<i64>>,
    output_bytes: Vec<Option<i64>>,
    log_lines: Vec<Option<i64>>,
    error_message: Vec<Option<String>>,
    authorization_id: Vec<Option<Uuid>>,
    user_id: Vec<Option<Uuid>>,
    sign_in_id: Vec<Option<Uuid>>,
    client_id: Vec<Option<String>>,
}

impl Columns {
    fn of(executions: &[&Execution]) -> Self {
        let mut columns = Self::default();
        for execution in executions {
            columns.push(execution);
            columns.push_receipt(execution.receipt.as_ref());
        }
        columns
    }

    fn push(&mut self, execution: &Execution) {
        self.call_id.push(execution.call.as_uuid());
        self.request_id.push(execution.request.as_uuid());
        self.node_id.push(execution.node);
        self.customer_id.push(execution.customer.as_uuid());
        self.api_key_id.push(execution.api_key.map(domain::ApiKeyId::as_uuid));
        self.authorization_id.push(execution.authorization.map(domain::AuthorizationId::as_uuid));
        self.user_id.push(execution.user.map(domain::UserId::as_uuid));
        self.sign_in_id.push(execution.sign_in.map(domain::SignInId::as_uuid));
        self.client_id.push(execution.client.clone());
        self.server_id.push(execution.server.as_uuid());
        self.server_slug.push(execution.server_slug.to_string());
        self.tool_name.push(execution.tool.to_string());
        self.version_id.push(execution.version.as_uuid());
        self.status.push(execution.status.as_str());
        self.stage.push(cut(execution.stage.as_deref(), STAGE_CHARS_MAX));
        self.progress.push(finite(execution.progress));
        self.progress_total.push(finite(execution.progress_total));
        self.queued_at.push(execution.queued_at);
        self.started_at.push(execution.started_at);
        self.completed_at.push(execution.completed_at);
        self.error_message.push(cut(execution.error_message.as_deref(), ERROR_CHARS_MAX));
    }

    fn push_receipt(&mut self, receipt: Option<&Receipt>) {
        let measured = |number: fn(&Receipt) -> u64| receipt.map(|receipt| number::saturate(number(receipt)));
        self.digest.push(receipt.map(|receipt| receipt.digest.as_bytes().to_vec()));
        self.fuel.push(measured(|receipt| receipt.fuel));
        self.memory_bytes_peak.push(measured(|receipt| receipt.memory_bytes_peak));
        self.wall_us.push(measured(|receipt| receipt.wall_us));
        self.cpu_us.push(measured(|receipt| receipt.cpu_us));
        self.queue_us.push(measured(|receipt| receipt.queue_us));
        self.host_calls.push(measured(|receipt| receipt.host_calls.into()));
        self.egress_bytes.push(measured(|receipt| receipt.egress_bytes));
        self.output_bytes.push(measured(|receipt| receipt.output_bytes));
        self.log_lines.push(measured(|receipt| receipt.log_lines.into()));
    }
}

/// A tool's own text as a row can have it: Postgres has no U+0000 in texts, and one bad record must not keep a thousand out.
pub(super) fn cut(text: Option<&str>, chars_max: usize) -> Option<String> {
    text.map(|text| {
        text.chars().take(chars_max).map(|character| if character == '\0' { '\u{fffd}' } else { character }).collect()
    })
}

/// A tool's own number as a row can have it, within the column's check.
pub(super) fn finite(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.abs() <= 1e308)
}
