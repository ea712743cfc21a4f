//! Whatever runs a version: `tools/call`, `resources/read` and `prompts/get` all run the same way.

use std::sync::Arc;

use app::{
    App, AppError, Caller, CallerSecrets, Report,
    calls::{self, CallRequest},
    questions::Asking,
};
use axum::response::Response;
use domain::{Scope, Slug, ToolName};
use rmcp::model::ProgressToken;
use serde_json::{Value, value::RawValue};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    answer::{self, Message, Question},
    arguments, call_result,
    endpoint::Visit,
    era::Era,
    log_level::Severity,
    presentation::Presentation,
    questions::Client,
    refusal::Refusal,
    reports, routing_headers,
};

/// What the client wants to hear while a call runs, and how it can be asked.
#[derive(Debug)]
pub(super) struct Wanted {
    /// What reports of progress are labelled with; absent if nobody wants them.
    pub(super) progress_token: Option<ProgressToken>,
    /// The least line of the log that is wanted; absent if none is.
    pub(super) log_level: Option<Severity>,
    /// How it can be asked.
    pub(super) client: Client,
}

/// What a call takes along, so that it can go on without the request.
pub(super) struct Carriage {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) server: Slug,
    pub(super) presentation: Arc<Presentation>,
    pub(super) question: Question,
    pub(super) reports: Option<mpsc::Sender<Report>>,
    pub(super) cancelled: CancellationToken,
    /// How the client can be asked.
    pub(super) asking: Asking,
    /// What the caller brought.
    pub(super) secrets: CallerSecrets,
}

/// The tool that is called, and with what.
pub(super) struct ToolCall<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: Option<&'a RawValue>,
}

impl Wanted {
    /// To hear nothing and be asked nothing.
    pub(super) const fn nothing() -> Self {
        let client = Client::Nobody("what completes an argument cannot ask anything");
        Self { progress_token: None, log_level: None, client }
    }

    /// Whether there may be something to be told before the answer.
    fn anything(&self) -> bool {
        self.progress_token.is_some() || self.log_level.is_some() || self.client.is_live()
    }
}

/// Calls a tool.
pub(super) async fn call_tool(
    visit: &Visit,
    question: Question,
    wanted: Wanted,
    call: ToolCall<'_>,
) -> Result<Response, Refusal> {
    let unknown = || AppError::NotFound { what: "tool", name: call.name.chars().take(64).collect() };
    let tool: ToolName = call.name.parse().map_err(|_| Refusal::from_app(&unknown(), visit.request_id))?;
    visit.check_scope(&Scope::McpTool(tool.clone()))?;
    let arguments = arguments::read(call.arguments)?;
    if question.era == Era::PerRequest {
        routing_headers::check_params(&visit.headers, visit.presentation.param_headers(&tool), &arguments)?;
    }
    let logger = tool.clone();
    run(visit, question, wanted, logger.as_str(), async move |carriage: Carriage| {
        let Carriage { app, caller, server, presentation, question, reports, cancelled, asking, secrets } = carriage;
        let arguments = Value::Object(arguments);
        let request = CallRequest { tool, arguments, request_id: question.request_id, reports, cancelled, asking, secrets };
        let answered = calls::call_tool(&app, &caller, &server, request).await;
        let answered = answered.map_err(|error| Refusal::from_app(&error, question.request_id))?;
        let text = call_result::message(&question, &presentation, &answered)?;
        Ok(Message { text, memory: answered.memory, standing: answered.standing })
    })
    .await
}

/// Runs a call whose end is a message: with what it reports on a stream if the client wants to hear of it, otherwise with one JSON
/// message. `logger` is the name that its log lines carry.
pub(super) async fn run<F>(
    visit: &Visit,
    question: Question,
    wanted: Wanted,
    logger: &str,
    call: impl FnOnce(Carriage) -> F,
) -> Result<Response, Refusal>
where
    F: Future<Output = Result<Message, Refusal>> + Send + 'static,
{
    let in_flight = visit.door.calls.enter(visit.call_key(question.id.clone()));
    let has_stream = wanted.anything() && visit.accepted.events;
    let Wanted { progress_token, log_level, client } = wanted;
    let (asking, questions) = client.open();
    let carriage = |reports| Carriage {
        app: Arc::clone(&visit.state.app),
        caller: visit.caller.clone(),
        server: visit.server.slug.clone(),
        presentation: Arc::clone(&visit.presentation),
        question: question.clone(),
        reports,
        cancelled: in_flight.cancelled().clone(),
        asking,
        secrets: visit.secrets.clone(),
    };
    if has_stream {
        let (sender, reports) = mpsc::channel(reports::WAITING_MAX);
        let call = call(carriage(Some(sender)));
        let listener = reports::Listener::new(progress_token, log_level, logger);
        return reports::answer(question, listener, in_flight, reports::Told { reports, questions }, call).await;
    }
    call(carriage(None)).await.map(answer::json)
}
