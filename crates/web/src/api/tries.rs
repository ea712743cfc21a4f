//! Tries: runs of a version that need not be released.

use std::sync::Arc;

use app::{
    App, CallerSecrets,
    calls::{self, CallAnswer, CallRequest, TryAnswer, TryRequest},
    questions::Asking,
};
use axum::{Extension, extract::State, response::Response};
use domain::{
    CallId, JsonText, LimitExceeded, LimitName, LogLevel, LogLine, Outcome, RequestId, TierName, ToolFailure, VersionId,
};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::{
    paths::ToolPath,
    receipt::{ReceiptView, StatusView},
};
use crate::{
    caller::CustomerCaller,
    error::{self, ApiError},
    extract::{Json, Path},
    held,
};

/// A run that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTry {
    /// The arguments.
    #[schema(value_type = Object, example = json!({"city": "Oslo"}))]
    arguments: Map<String, Value>,
    /// The version that runs; without one, the tool's newest.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Uuid)]
    version_id: Option<VersionId>,
}

/// How a run ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Try)]
pub(crate) struct TryView {
    /// The call; its record has this id.
    #[schema(value_type = String, format = Uuid)]
    call_id: CallId,
    /// The version that ran.
    #[schema(value_type = String, format = Uuid)]
    version_id: VersionId,
    /// How it ended.
    status: StatusView,
    /// What the tool answered; null unless `status` is `success`.
    #[schema(value_type = Value, example = json!({"summary": "sunny in Oslo"}))]
    result: Option<JsonText>,
    /// What went wrong; null if `status` is `success`.
    #[schema(required = true)]
    error: Option<FailureView>,
    /// What the tool wrote, cut at the tier's `log_lines_max`.
    logs: Vec<LogLineView>,
    /// What it used.
    receipt: ReceiptView,
}

/// Why a run did not answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Failure)]
struct FailureView {
    /// The class of what the tool threw, or `LimitExceeded`, `Trap` or `Cancelled`.
    #[schema(example = "ToolError")]
    name: String,
    /// What went wrong.
    #[schema(example = "there is no city `Oslo`")]
    message: String,
    /// Line in the source, from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// Column in that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    /// The call stack in terms of the source, one frame a line.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    stack: String,
    /// The limit that was crossed, if one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<CrossedLimit>,
}

/// A limit of the customer's tier.
#[derive(Debug, Serialize, ToSchema)]
struct CrossedLimit {
    /// Its name: a member of the tier's limits.
    #[schema(value_type = String, example = "wall_ms_max")]
    limit: LimitName,
    /// Its value.
    value: u64,
    /// The tier that sets it.
    #[schema(value_type = String, example = "free")]
    tier: TierName,
}

/// A line that a tool wrote. The text is the tool's own: escape it where you show it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogLine)]
struct LogLineView {
    /// How much it matters.
    level: LevelView,
    /// Milliseconds since the call began.
    at_ms: u32,
    /// The text.
    message: String,
}

/// How much a line matters, as `console` has it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LogLevel)]
enum LevelView {
    Debug,
    Info,
    Warn,
    Error,
}

impl From<TryAnswer> for TryView {
    fn from(TryAnswer { version_id, answer, log }: TryAnswer) -> Self {
        let CallAnswer { call_id, outcome, status, interface: _, receipt, .. } = answer;
        let (result, error) = match outcome {
            Outcome::Success(answer) => (answer_text(answer), None),
            Outcome::ToolError(failure) => (None, Some(failure.into())),
            Outcome::LimitExceeded(limit) => (None, Some(limit.into())),
            Outcome::Trap(message) => (None, Some(FailureView::plain("Trap", message))),
            // A try has no client: it never ends with a question.
            Outcome::Cancelled | Outcome::Asks(_) => {
                (None, Some(FailureView::plain("Cancelled", "the call was cancelled".to_owned())))
            }
        };
        let logs = log.into_iter().map(LogLineView::from).collect();
        Self { call_id, version_id, status: status.into(), result, error, logs, receipt: receipt.into() }
    }
}

/// JSON as it is, which is not taken apart on its way; content as MCP has it.
fn answer_text(answer: domain::Answer) -> Option<JsonText> {
    match answer {
        domain::Answer::Json(json) => Some(json),
        domain::Answer::Content(content) => JsonText::new(serde_json::to_string(&content).ok()?).ok(),
    }
}

impl FailureView {
    fn plain(name: &str, message: String) -> Self {
        Self { name: name.to_owned(), message, line: None, column: None, stack: String::new(), limit: None }
    }
}

impl From<ToolFailure> for FailureView {
    fn from(ToolFailure { name, message, line, column, stack }: ToolFailure) -> Self {
        Self { name, message, line, column, stack, limit: None }
    }
}

impl From<LimitExceeded> for FailureView {
    fn from(exceeded: LimitExceeded) -> Self {
        let message = exceeded.to_string();
        let LimitExceeded { limit, value, tier } = exceeded;
        Self { limit: Some(CrossedLimit { limit, value, tier }), ..Self::plain("LimitExceeded", message) }
    }
}

impl From<LogLine> for LogLineView {
    fn from(LogLine { level, at_ms, message }: LogLine) -> Self {
        let level = match level {
            LogLevel::Debug => LevelView::Debug,
            LogLevel::Info => LevelView::Info,
            LogLevel::Warn => LevelView::Warn,
            LogLevel::Error => LevelView::Error,
        };
        Self { level, at_ms, message }
    }
}

/// Runs a tool without releasing it
///
/// It is counted, limited and recorded as a call is. Whatever the tool does, the answer is 200: `status` says how it ended.
#[utoipa::path(post, path = "/servers/{slug}/tools/{name}/try", tag = "tools", security(("api_key" = [])), params(ToolPath),
    request_body = NewTry, responses((status = 200, description = "How it ended", body = TryView)))]
pub(crate) async fn try_tool(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Extension(request_id): Extension<RequestId>,
    Path(ToolPath { slug, name }): Path<ToolPath>,
    Json(NewTry { arguments, version_id }): Json<NewTry>,
) -> Result<Response, ApiError> {
    let call = CallRequest {
        tool: name,
        arguments: Value::Object(arguments),
        request_id,
        reports: None,
        cancelled: CancellationToken::new(),
        asking: Asking::Nobody("a try has no client that could be asked"),
        secrets: CallerSecrets::default(),
    };
    let mut answer = calls::try_tool(&app, &caller, &slug, TryRequest { version: version_id, call }).await?;
    let memory = answer.answer.memory.take();
    let body = serde_json::to_vec(&TryView::from(answer)).map_err(|_| error::internal())?;
    let mut response = Response::new(held::body(body, memory));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
