//! `tools/call`.

use std::borrow::Cow;

use app::{
    AppError, Report,
    calls::{self, CallRequest},
};
use axum::response::Response;
use domain::ToolName;
use rmcp::model::ProgressToken;
use serde_json::{Value, value::RawValue};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    answer::{self, Question},
    arguments, call_result,
    endpoint::Visit,
    era::Era,
    progress,
    refusal::Refusal,
    routing_headers,
};

/// What is to be called.
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: Option<&'a RawValue>,
    pub(super) progress_token: Option<ProgressToken>,
}

/// The tool that a `tools/call` names, as it was written.
pub(super) fn name(given: Option<&RawValue>) -> Result<Cow<'_, str>, Refusal> {
    let given = given.ok_or_else(|| Refusal::invalid_params("`name` must say which tool is called"))?;
    serde_json::from_str::<String>(given.get()).map(Cow::Owned).map_err(|error| Refusal::params(&error))
}

/// Calls a tool: with reports of progress on a stream if the client asked for them, otherwise with one JSON message.
pub(super) async fn answer(visit: &Visit, question: Question, call: Call<'_>) -> Result<Response, Refusal> {
    let unknown = || AppError::NotFound { what: "tool", name: call.name.chars().take(64).collect() };
    let tool: ToolName = call.name.parse().map_err(|_| Refusal::from_app(&unknown(), visit.request_id))?;
    let arguments = arguments::read(call.arguments)?;
    if question.era == Era::PerRequest {
        let wanted = visit.presentation.tool(&tool).map_or(&[][..], |tool| &tool.param_headers);
        routing_headers::check_params(&visit.headers, wanted, &arguments)?;
    }
    let running = visit.door.calls.enter(visit.call_key(question.id.clone()));
    let request = |cancelled: &CancellationToken, reports: Option<mpsc::Sender<Report>>| CallRequest {
        tool,
        arguments: Value::Object(arguments),
        request_id: visit.request_id,
        reports,
        cancelled: cancelled.clone(),
    };
    if let Some(token) = call.progress_token.filter(|_| visit.accepted.events) {
        return progress::answer(visit, question, token, running, request).await;
    }
    let request = request(running.cancelled(), None);
    let answered = calls::call_tool(&visit.state.app, &visit.caller, &visit.server.slug, request).await;
    let answered = answered.map_err(|error| Refusal::from_app(&error, visit.request_id))?;
    call_result::message(&question, &visit.presentation, &answered).map(answer::json)
}
