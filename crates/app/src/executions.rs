//! Records of calls.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{CallId, Receipt, RequestId, Slug, Status, ToolName, VersionId};
use serde_json::Value;
use store::executions::{Contents, Execution, Span};

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

/// The record of one call, with what was kept of its contents (HIST-12).
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionDetails {
    /// The record.
    pub execution: ExecutionView,
    /// Absent if the server's owner did not ask for it when the call ended.
    pub contents: Option<ContentsView>,
}

/// What a call was given and what it answered, without what is, or looks like, a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct ContentsView {
    /// The arguments; absent if they were too large to be kept.
    pub input: Option<Value>,
    /// Bytes that they had.
    pub input_bytes: u64,
    /// The result, content as MCP has it, a failure by its name and message; absent if it was too large to be kept, or if there was none.
    pub result: Option<Value>,
    /// Bytes that it had; absent if there was none.
    pub result_bytes: Option<u64>,
}

/// How the calls of the last day ended (HIST-3).
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionSummary {
    /// Calls count that ended after this.
    pub since: DateTime<Utc>,
    /// The moment of the answer.
    pub until: DateTime<Utc>,
    /// Calls that ended in that time. Those that still run are not among them.
    pub calls: u64,
    /// How many of them ended in which state, in the order of [`Status::ALL`]; states that none ended in are left out.
    pub by_status: Vec<(Status, u64)>,
    /// Successes among all of them, from 0 to 1; absent if there were no calls.
    pub success_rate: Option<f64>,
}

/// The time that a summary covers, in hours: up to now.
const SUMMARY_HOURS: i64 = 24;

/// The records of the caller's calls, newest first.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &ExecutionFilter,
    page: &PageRequest,
) -> Result<Page<ExecutionView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListExecutions)?;
    let filter = store::executions::ExecutionFilter { server: filter.server.clone(), status: filter.status };
    let _place = app.lists.enter(customer).await?;
    let mut connection = app.pool.acquire().await?;
    let found = store::executions::list(&mut connection, customer, &filter, page.after()?, page.fetch_max()).await?;
    Ok(page.page(found, |execution| execution.call).map(ExecutionView::from))
}

/// One record.
pub async fn load(app: &App, caller: &Caller, call: CallId) -> Result<ExecutionDetails, AppError> {
    let customer = access::require_customer(caller, Operation::LoadExecution)?;
    let mut connection = app.pool.acquire().await?;
    let found = store::executions::find(&mut connection, customer, call).await?;
    let execution = found.map(ExecutionView::from).ok_or_else(|| AppError::not_found("execution", call))?;
    let contents = store::executions::find_contents(&mut connection, customer, call).await?;
    Ok(ExecutionDetails { execution, contents: contents.map(ContentsView::from) })
}

/// How the caller's calls of the last 24 hours ended, of all servers or of one. It goes by when they ended, not by when they came.
pub async fn summarise(app: &App, caller: &Caller, server: Option<&Slug>) -> Result<ExecutionSummary, AppError> {
    let customer = access::require_customer(caller, Operation::SummariseExecutions)?;
    let until = app.clock.now();
    let span = Span { since: until - TimeDelta::hours(SUMMARY_HOURS), until };
    let _place = app.lists.enter(customer).await?;
    let mut connection = app.pool.acquire().await?;
    let counts = store::executions::count_by_status(&mut connection, customer, server, &span).await?;
    Ok(ExecutionSummary::of(&span, counts))
}

impl ExecutionSummary {
    fn of(span: &Span, mut by_status: Vec<(Status, u64)>) -> Self {
        by_status.sort_unstable_by_key(|(status, _)| Status::ALL.iter().position(|other| other == status));
        let calls = by_status.iter().map(|(_, calls)| calls).sum();
        let successes = by_status.iter().find(|(status, _)| *status == Status::Success).map_or(0, |(_, calls)| *calls);
        let success_rate = (calls > 0).then(|| ratio(successes, calls));
        Self { since: span.since, until: span.until, calls, by_status, success_rate }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate has no need of more than 52 bits")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

impl From<Contents> for ContentsView {
    fn from(Contents { input, input_bytes, result, result_bytes }: Contents) -> Self {
        // It was written as JSON.
        let read = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Self { input: read(input), input_bytes, result: read(result), result_bytes }
    }
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
