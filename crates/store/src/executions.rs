//! Records of calls. They are many and of little worth each: they are written in batches, and not waited for on disk
//! (`synchronous_commit = off`), so that a crash of the machine may cost the last moments of them and nothing else.

mod batch;
mod contents;
mod row;
mod summary;

use chrono::{DateTime, Utc};
use domain::{
    ApiKeyId, AuthorizationId, CallId, CustomerId, Receipt, RequestId, ServerId, SignInId, Slug, Status, ToolName, UserId,
    VersionId,
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::StoreError;
pub use contents::{CONTENT_BYTES_MAX, Contents, find_contents};
use row::Row;
pub use summary::{Span, count_by_status};

/// The most characters of an error message that are kept.
pub const ERROR_CHARS_MAX: usize = 1000;
/// The most characters of a stage that are kept.
pub const STAGE_CHARS_MAX: usize = 200;

/// The record of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// The call.
    pub call: CallId,
    /// The request that it came with.
    pub request: RequestId,
    /// The node that ran it; kept in that node's data directory, so that it is the same after a restart.
    pub node: Uuid,
    /// Whose server it was.
    pub customer: CustomerId,
    /// The key that it came with, if it came with one.
    pub api_key: Option<ApiKeyId>,
    /// The authorization whose token it came with, if it came with one.
    pub authorization: Option<AuthorizationId>,
    /// Who gave that authorization, or called by themselves.
    pub user: Option<UserId>,
    /// The sign-in of somebody who called by themselves.
    pub sign_in: Option<SignInId>,
    /// The client's `client_id`, if it came with a token. Whoever called without a key, a sign-in and a token is not known: the server is public.
    pub client: Option<String>,
    /// The server.
    pub server: ServerId,
    /// The server's name, which stays with the record when the server goes.
    pub server_slug: Slug,
    /// The tool.
    pub tool: ToolName,
    /// The version that was called.
    pub version: VersionId,
    /// How it stands or how it ended.
    pub status: Status,
    /// What the tool last said it is doing, cut at [`STAGE_CHARS_MAX`].
    pub stage: Option<String>,
    /// How far the tool said it is.
    pub progress: Option<f64>,
    /// Where the tool said its end is.
    pub progress_total: Option<f64>,
    /// When the call came.
    pub queued_at: DateTime<Utc>,
    /// When it got its place; set once.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended; exactly those that run or wait have none.
    pub completed_at: Option<DateTime<Utc>>,
    /// What it used, so far if it waits; absent while it runs and if nothing ran.
    pub receipt: Option<Receipt>,
    /// What went wrong, in a sentence, cut at [`ERROR_CHARS_MAX`].
    pub error_message: Option<String>,
    /// What went in and out, where that is to be kept; reading a record does not bring it along ([`find_contents`]).
    pub contents: Option<Box<Contents>>,
}

/// Which records are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Of this server only, which may be deleted by now.
    pub server: Option<Slug>,
    /// In this state only.
    pub status: Option<Status>,
}

/// Writes records, in a transaction of their own: of calls that ended, and of calls that run and deserve an open row. The row
/// of a call that ended replaces its open one; a row that is final already stays as it is. Batches of 500 to 1000 are best.
pub async fn write(connection: &mut PgConnection, executions: &[Execution]) -> Result<(), StoreError> {
    let during = || StoreError::during("write execution records");
    if executions.is_empty() {
        return Ok(());
    }
    let mut transaction = connection.begin().await.map_err(during())?;
    sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *transaction).await.map_err(during())?;
    batch::upsert(&mut transaction, executions).await.map_err(during())?;
    contents::insert(&mut transaction, executions).await.map_err(during())?;
    transaction.commit().await.map_err(during())
}

/// Closes the open rows of a node as interrupted: to be called when the node starts, before its first call. Gives their number.
pub async fn close_open(connection: &mut PgConnection, node: Uuid, at: DateTime<Utc>) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "UPDATE executions SET status = 'interrupted', completed_at = $2, error_message = 'the node stopped under this call'
        WHERE node_id = $1 AND status = 'running'",
        node,
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("close open execution records"))?;
    Ok(done.rows_affected())
}

/// Deletes up to `limit` records that ended longer ago than their customer's tier keeps them. Gives their number: as long as
/// it is `limit`, there are more.
pub async fn delete_expired(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM executions WHERE call_id IN (
            SELECT expired.call_id
            FROM customers JOIN tiers ON tiers.name = tier CROSS JOIN LATERAL (
                SELECT call_id FROM executions
                WHERE executions.customer_id = customers.customer_id
                    AND completed_at < $1::timestamptz - make_interval(days => least(record_days_max, 36500)::integer)
                ORDER BY completed_at LIMIT $2
            ) AS expired
            LIMIT $2
        )",
        now,
        limit
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete expired execution records"))?;
    Ok(done.rows_affected())
}

/// One record of a customer's.
pub async fn find(connection: &mut PgConnection, customer: CustomerId, call: CallId) -> Result<Option<Execution>, StoreError> {
    row::find(connection, customer, call).await
}

/// Records of a customer's, newest first.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    filter: &ExecutionFilter,
    after: Option<CallId>,
    limit: i64,
) -> Result<Vec<Execution>, StoreError> {
    let rows = row::list(connection, customer, filter, after, limit).await.map_err(StoreError::during("list executions"))?;
    rows.into_iter().map(Row::read).collect()
}

#[cfg(test)]
mod tests;
