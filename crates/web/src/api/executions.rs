//! Records of calls.

use std::{collections::BTreeMap, sync::Arc};

use app::{
    App, PageRequest,
    executions::{self, ExecutionFilter},
};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{CallId, RequestId, Slug, Status, ToolName, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    paths::ExecutionPath,
    receipt::{ReceiptView, StatusView},
};
use crate::{
    caller::CustomerCaller,
    error::ApiError,
    extract::{Path, Query},
    page::{Page, whole_number},
};

/// Which records are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExecutionQuery {
    /// Those of one server.
    #[param(value_type = Option<String>, example = "weather")]
    server: Option<Slug>,
    /// Those in one state.
    #[param(value_type = Option<StatusView>)]
    status: Option<Status>,
    /// The `next_cursor` of an earlier page; without one, the first page.
    cursor: Option<String>,
    /// Items of the page, 50 if nothing is said.
    #[serde(default, deserialize_with = "whole_number")]
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Which records are counted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SummaryQuery {
    /// Those of one server; without it, those of all.
    #[param(value_type = Option<String>, example = "weather")]
    server: Option<Slug>,
}

/// How the calls of the last 24 hours ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExecutionSummary)]
pub(crate) struct SummaryView {
    /// Calls count that ended after this: 24 hours before `until`.
    since: DateTime<Utc>,
    /// The moment of the answer.
    until: DateTime<Utc>,
    /// Calls that ended in that time; those that still run are not among them.
    #[schema(example = 40)]
    calls: u64,
    /// How many of them ended in which state; states that none ended in are left out.
    #[schema(example = json!({ "success": 39, "tool_error": 1 }))]
    by_status: BTreeMap<&'static str, u64>,
    /// Successes among all of them, from 0 to 1; null if there were no calls.
    #[schema(required = true, minimum = 0, maximum = 1, example = 0.975)]
    success_rate: Option<f64>,
}

/// The record of one call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Execution)]
pub(crate) struct ExecutionView {
    /// The call.
    #[schema(value_type = String, format = Uuid)]
    call_id: CallId,
    /// The request that made it.
    #[schema(value_type = String, format = Uuid)]
    request_id: RequestId,
    /// The server, by the slug it had.
    #[schema(value_type = String, example = "weather")]
    server: Slug,
    /// The tool.
    #[schema(value_type = String, example = "forecast")]
    tool: ToolName,
    /// The version that ran.
    #[schema(value_type = String, format = Uuid)]
    version_id: VersionId,
    /// How it stands, or how it ended.
    status: StatusView,
    /// What went wrong, in a sentence; null if nothing did.
    #[schema(required = true)]
    error: Option<String>,
    /// How far it said it was; null if it never said.
    #[schema(required = true)]
    progress: Option<f64>,
    /// What it said it was doing; null if it never said.
    #[schema(required = true)]
    stage: Option<String>,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it ended; null while it runs.
    #[schema(required = true)]
    completed_at: Option<DateTime<Utc>>,
    /// What it used; null while it runs and if it was interrupted.
    #[schema(required = true)]
    receipt: Option<ReceiptView>,
}

/// The record of one call, with what was kept of its contents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExecutionDetails {
    #[serde(flatten)]
    execution: ExecutionView,
    /// What went in and out; null unless the server keeps it (`keep_contents`).
    #[schema(required = true)]
    contents: Option<ContentsView>,
}

/// What a call was given and what it answered. What is, or looks like, a secret is replaced by `[redacted]`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExecutionContents)]
struct ContentsView {
    /// The arguments; null if they had more than 65536 bytes.
    input: Value,
    /// Bytes that they had.
    input_bytes: u64,
    /// The result, content as MCP has it, or a failure by `name` and `message`; null if it had more than 65536 bytes, or if there was none.
    result: Value,
    /// Bytes that it had; null if there was none.
    #[schema(required = true)]
    result_bytes: Option<u64>,
}

impl From<executions::ExecutionDetails> for ExecutionDetails {
    fn from(executions::ExecutionDetails { execution, contents }: executions::ExecutionDetails) -> Self {
        let contents = contents.map(|executions::ContentsView { input, input_bytes, result, result_bytes }| ContentsView {
            input: input.unwrap_or_default(),
            input_bytes,
            result: result.unwrap_or_default(),
            result_bytes,
        });
        Self { execution: execution.into(), contents }
    }
}

impl From<executions::ExecutionView> for ExecutionView {
    fn from(view: executions::ExecutionView) -> Self {
        Self {
            call_id: view.call_id,
            request_id: view.request_id,
            server: view.server,
            tool: view.tool,
            version_id: view.version_id,
            status: view.status.into(),
            error: view.error,
            progress: view.progress,
            stage: view.stage,
            started_at: view.started_at,
            completed_at: view.completed_at,
            receipt: view.receipt.map(ReceiptView::from),
        }
    }
}

impl From<executions::ExecutionSummary> for SummaryView {
    fn from(summary: executions::ExecutionSummary) -> Self {
        let executions::ExecutionSummary { since, until, calls, by_status, success_rate } = summary;
        let by_status = by_status.into_iter().map(|(status, calls)| (status.as_str(), calls)).collect();
        Self { since, until, calls, by_status, success_rate }
    }
}

/// Lists the records of your calls, newest first
#[utoipa::path(get, path = "/executions", tag = "executions", security(("api_key" = [])), params(ExecutionQuery),
    responses((status = 200, description = "A page of records", body = Page<ExecutionView>)))]
pub(crate) async fn list_executions(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Query(ExecutionQuery { server, status, cursor, limit }): Query<ExecutionQuery>,
) -> Result<Answer<Page<ExecutionView>>, ApiError> {
    let page = PageRequest::new(cursor, limit)?;
    let executions = executions::list(&app, &caller, &ExecutionFilter { server, status }, &page).await?;
    Ok(Answer(executions.into()))
}

/// Shows how your calls of the last 24 hours ended
#[utoipa::path(get, path = "/executions/summary", tag = "executions", security(("api_key" = [])), params(SummaryQuery),
    responses((status = 200, description = "Their numbers and the rate of success", body = SummaryView)))]
pub(crate) async fn summarise_executions(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Query(SummaryQuery { server }): Query<SummaryQuery>,
) -> Result<Answer<SummaryView>, ApiError> {
    let summary = executions::summarise(&app, &caller, server.as_ref()).await?;
    Ok(Answer(summary.into()))
}

/// Shows the record of a call
#[utoipa::path(get, path = "/executions/{call_id}", tag = "executions", security(("api_key" = [])), params(ExecutionPath),
    responses((status = 200, description = "The record", body = ExecutionDetails)))]
pub(crate) async fn get_execution(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ExecutionPath { call_id }): Path<ExecutionPath>,
) -> Result<Answer<ExecutionDetails>, ApiError> {
    let execution = executions::load(&app, &caller, call_id).await?;
    Ok(Answer(execution.into()))
}
