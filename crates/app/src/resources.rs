//! Resources of a served server.

use compiler::Waiter;
use domain::{RequestId, ResourceAnswer, Slug};
use sandbox::Entry;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Answered, App, AppError, Caller, CallerSecrets, Report,
    access::{self, Operation},
    calls::{self, Baggage, Call, CallAnswer},
    catalogue, pins,
    questions::{Asking, Means, Subject},
};

/// A resource that is to be read.
#[derive(Debug)]
pub struct ReadRequest {
    /// Where it is. A static resource is found by this very text, all others by the template that fits it.
    pub uri: String,
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

/// Reads a resource of the server's current release. It is counted, limited and recorded as a call.
pub async fn read(app: &App, caller: &Caller, slug: &Slug, request: ReadRequest) -> Result<Answered<ResourceAnswer>, AppError> {
    access::require_use(caller, Operation::ReadResource)?;
    caller.check_scope(&domain::Scope::McpTools)?;
    let _work = app.begin_work()?;
    let server = catalogue::load_usable(app, caller, slug).await?;
    let ReadRequest { uri, request_id, reports, cancelled, asking, secrets } = request;
    let subject = Subject { method: "resources/read", name: &uri, arguments: &Value::Null };
    let means = Means::of(app, caller, &server, asking, subject)?;
    let (tier, standing) = calls::admit(app, caller, server.customer).await?;
    let unknown = || AppError::not_found("resource", uri.chars().take(catalogue::URI_CHARS_SHOWN).collect::<String>());
    let (tool, variables) = server.offers.find_resource(&uri).ok_or_else(unknown)?;
    pins::check(app, caller, &server, tool).await?;
    let given = variables.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let call =
        Call { caller, customer: server.customer, tier: &tier, server: &server, tool, secrets: &secrets, waiter: Waiter::Call };
    let baggage = Baggage { entry: Entry::Call, given: Value::Object(given), request_id, reports, cancelled, means };
    let (answer, _) = calls::run(app, &call, baggage).await?;
    Answered::read(CallAnswer { standing: Some(standing), ..answer })
}
