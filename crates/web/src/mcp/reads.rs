//! `resources/read` and `prompts/get`.

use app::{
    AppError,
    prompts::{self, GetRequest},
    resources::{self, ReadRequest},
};
use axum::response::Response;
use domain::{PromptMessage, ResourceContents, Scope, ToolName};
use rmcp::model::{CacheScope, ResultType};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    answer::{Message, Question},
    arguments,
    call::{self, Carriage, Wanted},
    call_result,
    endpoint::Visit,
    era::Era,
    refusal::Refusal,
};

/// How long a client may go by what it read. It is made anew for each who asks, and may be another every time.
const CONTENTS_TTL_MS: u64 = 0;

/// The result of `resources/read` (MCP, `ReadResourceResult`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadResult<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<ResultType>,
    contents: &'a [ResourceContents],
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_scope: Option<CacheScope>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

/// The result of `prompts/get` (MCP, `GetPromptResult`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GetResult<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<ResultType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    messages: &'a [PromptMessage],
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

/// The text that a request names something by, as it was written.
pub(super) fn text(member: &str, given: Option<&RawValue>) -> Result<String, Refusal> {
    let given = given.ok_or_else(|| Refusal::invalid_params(format!("`{member}` is missing")))?;
    serde_json::from_str(given.get()).map_err(|error| Refusal::params(&error))
}

/// Reads a resource.
pub(super) async fn read_resource(visit: &Visit, question: Question, wanted: Wanted, uri: String) -> Result<Response, Refusal> {
    visit.check_scope(&Scope::McpTools)?;
    let logger = uri.clone();
    call::run(visit, question, wanted, &logger, async move |carriage: Carriage| {
        let Carriage { app, caller, server, presentation, question, reports, cancelled, asking, secrets } = carriage;
        let era = question.era;
        let request = ReadRequest { uri: uri.clone(), request_id: question.request_id, reports, cancelled, asking, secrets };
        let answered = resources::read(&app, &caller, &server, request).await.map_err(|error| match error {
            AppError::NotFound { what: "resource", .. } => Refusal::resource_not_found(era, &uri),
            error => Refusal::from_app(&error, question.request_id),
        })?;
        let answer = match answered.result {
            Ok(answer) => answer,
            Err(failed) => return call_result::without_answer(&question, &presentation, &failed).map(Message::from),
        };
        if answer.contents.is_empty() {
            // Nothing is at that URI, says who should know: a template fits more than there is (2026-07-28 forbids an empty result).
            return Err(Refusal::resource_not_found(era, &uri));
        }
        let is_per_request = era == Era::PerRequest;
        let text = question.message(ReadResult {
            result_type: is_per_request.then_some(ResultType::COMPLETE),
            contents: &answer.contents,
            ttl_ms: is_per_request.then_some(CONTENTS_TTL_MS),
            cache_scope: is_per_request.then_some(CacheScope::Private),
            meta: is_per_request.then_some(&*presentation.meta),
        })?;
        Ok(Message { text, memory: answered.memory, standing: answered.standing })
    })
    .await
}

/// Gets a prompt.
pub(super) async fn get_prompt(
    visit: &Visit,
    question: Question,
    wanted: Wanted,
    name: &str,
    arguments: Option<&RawValue>,
) -> Result<Response, Refusal> {
    visit.check_scope(&Scope::McpTools)?;
    let unknown = || AppError::NotFound { what: "prompt", name: name.chars().take(64).collect() };
    let prompt: ToolName = name.parse().map_err(|_| Refusal::from_app(&unknown(), visit.request_id))?;
    let arguments = arguments::read(arguments)?;
    call::run(visit, question, wanted, name, async move |carriage: Carriage| {
        let Carriage { app, caller, server, presentation, question, reports, cancelled, asking, secrets } = carriage;
        let request = GetRequest { prompt, arguments, request_id: question.request_id, reports, cancelled, asking, secrets };
        let answered = prompts::get(&app, &caller, &server, request).await;
        let answered = answered.map_err(|error| Refusal::from_app(&error, question.request_id))?;
        let answer = match answered.result {
            Ok(answer) => answer,
            Err(failed) => return call_result::without_answer(&question, &presentation, &failed).map(Message::from),
        };
        let is_per_request = question.era == Era::PerRequest;
        let text = question.message(GetResult {
            result_type: is_per_request.then_some(ResultType::COMPLETE),
            description: answer.description.as_deref(),
            messages: &answer.messages,
            meta: is_per_request.then_some(&*presentation.meta),
        })?;
        Ok(Message { text, memory: answered.memory, standing: answered.standing })
    })
    .await
}
