//! Values for an argument that somebody fills in.

use std::{collections::BTreeMap, sync::Arc};

use compiler::Waiter;
use domain::{Completion, RequestId, Slug, ToolName};
use sandbox::Entry;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    Answered, App, AppError, Caller, CallerSecrets,
    access::{self, Operation},
    calls::{self, Baggage, Call},
    catalogue::{self, ServedServer, ServedTool},
    pins,
    questions::Means,
};

/// Whose argument is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A prompt's.
    Prompt(ToolName),
    /// A variable of a resource template, by the template's own text; a static resource has none.
    Resource(String),
}

/// A question for values.
#[derive(Debug)]
pub struct CompleteRequest {
    /// Whose argument it is.
    pub subject: Subject,
    /// The argument.
    pub argument: String,
    /// Its value as far as it was typed.
    pub value: String,
    /// Arguments that have been filled in.
    pub context: BTreeMap<String, String>,
    /// The request that carries the call; its record names it.
    pub request_id: RequestId,
    /// Cancelled when the caller takes the request back. Dropping the future does the same.
    pub cancelled: CancellationToken,
    /// What its caller brings for it.
    pub secrets: CallerSecrets,
}

/// Asks a prompt or a resource of the server's current release which values an argument can have. It is counted, limited and recorded as a
/// call; `None`, and no call, if it has said that it knows none for this argument.
pub async fn complete(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    request: CompleteRequest,
) -> Result<Option<Answered<Completion>>, AppError> {
    access::require_use(caller, Operation::Complete)?;
    caller.check_scope(&domain::Scope::McpTools)?;
    let _work = app.begin_work()?;
    let server = catalogue::load_usable(app, caller, slug).await?;
    let CompleteRequest { subject, argument, value, context, request_id, cancelled, secrets } = request;
    let tool = resolve(&server, &subject)?;
    pins::check(app, caller, &server, tool).await?;
    check_argument(tool, &argument)?;
    if !tool.interface.completes.contains(&argument) {
        return Ok(None);
    }
    let means = Means::Nobody("what completes an argument cannot ask anything");
    let (tier, _) = calls::admit(app, caller, server.customer).await?;
    let given = json!({ "argument": { "name": argument, "value": value }, "context": { "arguments": context } });
    let call =
        Call { caller, customer: server.customer, tier: &tier, server: &server, tool, secrets: &secrets, waiter: Waiter::Call };
    let baggage = Baggage { entry: Entry::Complete, given, request_id, reports: None, cancelled, means };
    let (answer, _) = calls::run(app, &call, baggage).await?;
    Answered::read(answer).map(Some)
}

fn resolve<'a>(server: &'a ServedServer, subject: &Subject) -> Result<&'a Arc<ServedTool>, AppError> {
    match subject {
        Subject::Prompt(name) => server.offers.prompts.get(name).ok_or_else(|| AppError::not_found("prompt", name)),
        Subject::Resource(uri) => server
            .offers
            .find_resource_as_written(uri)
            .ok_or_else(|| AppError::not_found("resource", uri.chars().take(catalogue::URI_CHARS_SHOWN).collect::<String>())),
    }
}

fn check_argument(tool: &ServedTool, argument: &str) -> Result<(), AppError> {
    let known = tool.interface.input.get("properties").and_then(Value::as_object);
    if known.is_some_and(|known| known.contains_key(argument)) {
        return Ok(());
    }
    let names: Vec<&str> = known.into_iter().flat_map(|known| known.keys()).map(String::as_str).collect();
    let argument: String = argument.chars().take(64).flat_map(char::escape_debug).collect();
    Err(AppError::invalid(format!("there is no argument `{argument}`; there are: {}", names.join(", "))))
}
