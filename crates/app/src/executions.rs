//! Records of calls.

use chrono::{DateTime, Utc};
use domain::{CallId, Receipt, RequestId, Slug, Status, ToolName, VersionId};
use store::executions::Execution;

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
};

/// Which records are wanted; all of them if nothing is said.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    /// Those of one server.
    pub server: Option<Slug>,
    /// Those in one state.
    pub status: Option<Status>,
}

/// The record of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionView {
    /// The call.
    pub call_id: CallId,
    /// The request that made it.
    pub request_id: RequestId,
    /// The server, by the slug it had.
    pub server: Slug,
    /// The tool.
    pub tool: ToolName,
    /// The version that ran.
    pub version_id: VersionId,
    /// How it stands, or how it ended.
    pub status: Status,
    /// What went wrong, in a sentence; absent if nothing did.
    pub error: Option<String>,
    /// How far it said it was; absent if it never said.
    pub progress: Option<f64>,
    /// What it said it was doing.
    pub stage: Option<String>,
    /// When its guest began, and before that when the call came; set once (HIST-2).
    pub started_at: DateTime<Utc>,
    /// When it ended; absent while it runs.
    pub completed_at: Option<DateTime<Utc>>,
    /// What it used; absent while it runs and if nothing ran.
    pub receipt: Option<Receipt>,
}

/// The records of the caller's calls, newest first.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &ExecutionFilter,
    page: &PageRequest,
) -> Result<Page<ExecutionView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListExecutions)?;
    let filter = store::executions::ExecutionFilter { server: filter.server.clone(), status: filter.status };
    let mut connection = app.pool.acquire().await?;
    let found = store::executions::list(&mut connection, customer, &filter, page.after()?, page.fetch_max()).await?;
    Ok(page.page(found, |execution| execution.call).map(ExecutionView::from))
}

/// One record.
pub async fn load(app: &App, caller: &Caller, call: CallId) -> Result<ExecutionView, AppError> {
    let customer = access::require_customer(caller, Operation::LoadExecution)?;
    let found = store::executions::find(&mut *app.pool.acquire().await?, customer, call).await?;
    found.map(ExecutionView::from).ok_or_else(|| AppError::not_found("execution", call))
}

impl From<Execution> for ExecutionView {
    fn from(execution: Execution) -> Self {
        Self {
            call_id: execution.call,
            request_id: execution.request,
            server: execution.server_slug,
            tool: execution.tool,
            version_id: execution.version,
            status: execution.status,
            error: execution.error_message,
            progress: execution.progress,
            stage: execution.stage,
            started_at: execution.started_at.unwrap_or(execution.queued_at),
            completed_at: execution.completed_at,
            receipt: execution.receipt,
        }
    }
}
