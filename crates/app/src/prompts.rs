//! Prompts of a served server.

use compiler::Waiter;
use domain::{PromptAnswer, RequestId, Slug, ToolName};
use sandbox::Entry;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Answered, App, AppError, Caller, CallerSecrets, Report,
    access::{self, Operation},
    calls::{self, Baggage, Call, CallAnswer},
    catalogue, pins,
    questions::{Asking, Means, Subject},
};

/// A prompt that is wanted.
#[derive(Debug)]
pub struct GetRequest {
    /// The prompt.
    pub prompt: ToolName,
    /// What was filled in; texts, or the answer says that they must be.
    pub arguments: Map<String, Value>,
    /// The request that carries the call; its record names it.
    pub request_id: RequestId,
    /// Who hears how far it is and what it writes; reports are dropped when the channel is full.
    pub reports: Option<mpsc::Sender<Report>>,
    /// Cancelled when the caller takes the request back. Dropping the future does the same.
    pub cancelled: CancellationToken,
    /// How its client can be asked what the code wants to know.
    pub asking: Asking,
    /// What its caller brings for it.
    pub secrets: CallerSecrets,
}

/// Gets a prompt of the server's current release. It is counted, limited and recorded as a call.
pub async fn get(app: &App, caller: &Caller, slug: &Slug, request: GetRequest) -> Result<Answered<PromptAnswer>, AppError> {
    access::require_use(caller, Operation::GetPrompt)?;
    caller.check_scope(&domain::Scope::McpTools)?;
    let _work = app.begin_work()?;
    let server = catalogue::load_usable(app, caller, slug).await?;
    let GetRequest { prompt, arguments, request_id, reports, cancelled, asking, secrets } = request;
    let given = Value::Object(arguments);
    let subject = Subject { method: "prompts/get", name: prompt.as_str(), arguments: &given };
    let means = Means::of(app, caller, &server, asking, subject)?;
    let (tier, standing) = calls::admit(app, caller, server.customer).await?;
    let tool = server.offers.prompts.get(&prompt).ok_or_else(|| AppError::not_found("prompt", &prompt))?;
    pins::check(app, caller, &server, tool).await?;
    let call =
        Call { caller, customer: server.customer, tier: &tier, server: &server, tool, secrets: &secrets, waiter: Waiter::Call };
    let baggage = Baggage { entry: Entry::Call, given, request_id, reports, cancelled, means };
    let (answer, _) = calls::run(app, &call, baggage).await?;
    Answered::read(CallAnswer { standing: Some(standing), ..answer })
}
