//! Reading records.

use chrono::{DateTime, Utc};
use domain::{ApiKeyId, AuthorizationId, CallId, CustomerId, Receipt, RequestId, ServerId, SignInId, Status, UserId, VersionId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Execution, ExecutionFilter};
use crate::{StoreError, number};

pub(super) struct Row {
    call_id: Uuid,
    request_id: Uuid,
    node_id: Uuid,
    customer_id: Uuid,
    api_key_id: Option<Uuid>,
    server_id: Uuid,
    server_slug: String,
    tool_name: String,
    version_id: Uuid,
    digest: Option<Vec<u8>>,
    status: String,
    stage: Option<String>,
    progress: Option<f64>,
    progress_total: Option<f64>,
    queued_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    fuel: Option<i64>,
    memory_bytes_peak: Option<i64>,
    wall_us: Option<i64>,
    cpu_us: Option<i64>,
    queue_us: Option<i64>,
    host_calls: Option<i64>,
    egress_bytes: Option<i64>,
    output_bytes: Option<i64>,
    log_lines: Option<i64>,
    error_message: Option<String>,
    authorization_id: Option<Uuid>,
    user_id: Option<Uuid>,
    sign_in_id: Option<Uuid>,
    client_id: Option<String>,
}

/// One customer's records; what narrows them further, and in which order, is added.
macro_rules! rows {
    ($rest:literal, $($argument:expr),+) => {
        sqlx::query_as!(Row, "SELECT * FROM executions WHERE customer_id = $1 AND " + $rest, $($argument),+)
    };
}

pub(super) async fn find(
    connection: &mut PgConnection,
    customer: CustomerId,
    call: CallId,
) -> Result<Option<Execution>, StoreError> {
    let row = rows!("call_id = $2", customer.as_uuid(), call.as_uuid())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::during("find an execution"))?;
    row.map(Row::read).transpose()
}

/// A statement for each set of filters, so that each has the plan that its index allows.
pub(super) async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    filter: &ExecutionFilter,
    after: Option<CallId>,
    limit: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    let customer = customer.as_uuid();
    let before = after.map_or(Uuid::max(), CallId::as_uuid);
    match (&filter.server, filter.status) {
        (None, None) => rows!("call_id < $2 ORDER BY call_id DESC LIMIT $3", customer, before, limit).fetch_all(connection).await,
        (Some(server), None) => {
            rows!("call_id < $2 AND server_slug = $4 ORDER BY call_id DESC LIMIT $3", customer, before, limit, server.as_str())
                .fetch_all(connection)
                .await
        }
        (None, Some(status)) => {
            rows!("call_id < $2 AND status = $4 ORDER BY call_id DESC LIMIT $3", customer, before, limit, status.as_str())
                .fetch_all(connection)
                .await
        }
        (Some(server), Some(status)) => {
            rows!(
                "call_id < $2 AND server_slug = $4 AND status = $5 ORDER BY call_id DESC LIMIT $3",
                customer,
                before,
                limit,
                server.as_str(),
                status.as_str()
            )
            .fetch_all(connection)
            .await
        }
    }
}

impl Row {
    pub(super) fn read(self) -> Result<Execution, StoreError> {
        let receipt = self.receipt()?;
        let status = Status::find(&self.status);
        Ok(Execution {
            call: CallId::from_uuid(self.call_id),
            request: RequestId::from_uuid(self.request_id),
            node: self.node_id,
            customer: CustomerId::from_uuid(self.customer_id),
            api_key: self.api_key_id.map(ApiKeyId::from_uuid),
            authorization: self.authorization_id.map(AuthorizationId::from_uuid),
            user: self.user_id.map(UserId::from_uuid),
            sign_in: self.sign_in_id.map(SignInId::from_uuid),
            client: self.client_id,
            server: ServerId::from_uuid(self.server_id),
            server_slug: self.server_slug.parse().map_err(StoreError::corrupt("server slug"))?,
            tool: self.tool_name.parse().map_err(StoreError::corrupt("tool name"))?,
            version: VersionId::from_uuid(self.version_id),
            status: status.ok_or_else(|| StoreError::Corrupt { what: "status of a call", source: self.status.into() })?,
            stage: self.stage,
            progress: self.progress,
            progress_total: self.progress_total,
            queued_at: self.queued_at,
            started_at: self.started_at,
            completed_at: self.completed_at,
            receipt,
            error_message: self.error_message,
            contents: None,
        })
    }

    /// The receipt's columns are all there or none is.
    fn receipt(&self) -> Result<Option<Receipt>, StoreError> {
        let Some(digest) = &self.digest else { return Ok(None) };
        let stored = |what, column: Option<i64>| number::read::<u64>(what, column.unwrap_or_default());
        let stored_small = |what, column: Option<i64>| number::read::<u32>(what, column.unwrap_or_default());
        Ok(Some(Receipt {
            digest: digest.as_slice().try_into().map_err(StoreError::corrupt("digest"))?,
            fuel: stored("fuel", self.fuel)?,
            memory_bytes_peak: stored("memory_bytes_peak", self.memory_bytes_peak)?,
            wall_us: stored("wall_us", self.wall_us)?,
            cpu_us: stored("cpu_us", self.cpu_us)?,
            queue_us: stored("queue_us", self.queue_us)?,
            host_calls: stored_small("host_calls", self.host_calls)?,
            egress_bytes: stored("egress_bytes", self.egress_bytes)?,
            output_bytes: stored("output_bytes", self.output_bytes)?,
            log_lines: stored_small("log_lines", self.log_lines)?,
        }))
    }
}
