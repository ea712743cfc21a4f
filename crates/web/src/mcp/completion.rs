//! `completion/complete`: values for an argument that somebody fills in.

use std::collections::BTreeMap;

use app::{
    AppError,
    completions::{self, CompleteRequest, Subject},
};
use axum::response::Response;
use domain::{Completion, Scope};
use rmcp::model::ResultType;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    answer::{Message, Question},
    call::{self, Carriage, Wanted},
    call_result,
    endpoint::Visit,
    era::Era,
    refusal::Refusal,
};

/// Arguments that have been filled in; no prompt has more.
const CONTEXT_ARGUMENTS_MAX: usize = 64;

/// What is to be filled in (MCP, `CompleteRequestParams`), as it stands in the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) reference: Option<&'a RawValue>,
    pub(super) argument: Option<&'a RawValue>,
    pub(super) context: Option<&'a RawValue>,
}

/// Whose argument it is (MCP, `PromptReference` and `ResourceTemplateReference`).
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    Resource { uri: String },
}

#[derive(Deserialize)]
struct Argument {
    name: String,
    value: String,
}

#[derive(Default, Deserialize)]
struct Context {
    #[serde(default)]
    arguments: BTreeMap<String, String>,
}

/// The result of `completion/complete` (MCP, `CompleteResult`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CompleteResult<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<ResultType>,
    completion: &'a Completion,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

/// Asks for values. Where none are known by the prompt or resource itself, there are none: a client shows nothing then.
pub(super) async fn complete(visit: &Visit, question: Question, given: Given<'_>) -> Result<Response, Refusal> {
    visit.check_scope(&Scope::McpTools)?;
    let subject = match read::<Reference>("ref", given.reference)? {
        Reference::Prompt { name } => {
            let unknown =
                || Refusal::invalid_params(format!("there is no prompt `{}`", name.chars().take(64).collect::<String>()));
            Subject::Prompt(name.parse().map_err(|_| unknown())?)
        }
        Reference::Resource { uri } => Subject::Resource(uri),
    };
    let Argument { name, value } = read("argument", given.argument)?;
    let context: Context = given.context.map(|context| read("context", Some(context))).transpose()?.unwrap_or_default();
    if context.arguments.len() > CONTEXT_ARGUMENTS_MAX {
        return Err(Refusal::invalid_params(format!("`context.arguments` has {CONTEXT_ARGUMENTS_MAX} members at most")));
    }
    call::run(visit, question, Wanted::nothing(), "", async move |carriage: Carriage| {
        let request = CompleteRequest {
            subject,
            argument: name,
            value,
            context: context.arguments,
            request_id: carriage.question.request_id,
            cancelled: carriage.cancelled.clone(),
            secrets: carriage.secrets.clone(),
        };
        let answered = completions::complete(&carriage.app, &carriage.caller, &carriage.server, request).await;
        let refused = |error: AppError| Refusal::from_app(&error, carriage.question.request_id);
        let completion = match answered.map_err(refused)?.map(|answered| answered.result) {
            Some(Ok(completion)) => completion,
            Some(Err(failed)) => {
                return call_result::without_answer(&carriage.question, &carriage.presentation, &failed).map(Message::from);
            }
            None => Completion { values: Vec::new(), total: Some(0), has_more: Some(false) },
        };
        let is_per_request = carriage.question.era == Era::PerRequest;
        let text = carriage.question.message(CompleteResult {
            result_type: is_per_request.then_some(ResultType::COMPLETE),
            completion: &completion,
            meta: is_per_request.then_some(&*carriage.presentation.meta),
        })?;
        Ok(Message::from(text))
    })
    .await
}

fn read<'a, T: Deserialize<'a>>(member: &str, given: Option<&'a RawValue>) -> Result<T, Refusal> {
    let given = given.ok_or_else(|| Refusal::invalid_params(format!("`{member}` is missing")))?;
    serde_json::from_str(given.get()).map_err(|error| Refusal::params(&error))
}
