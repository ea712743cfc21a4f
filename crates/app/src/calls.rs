//! Calls of tools: the way of design.md's "One tools/call".

mod open_call;
mod passage;

use std::sync::Arc;

use compiler::Waiter;
use domain::{
    Abilities, CallId, CustomerId, LogLine, Outcome, Receipt, RequestId, Scope, Slug, Status, ToolInterface, ToolName, VersionId,
};
use sandbox::{Entry, ResultMemory};
use serde_json::Value;
use telemetry::CallRefusal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use self::passage::{Baggage, Call, admit, run};
use crate::{
    App, AppError, Caller, CallerSecrets, Report,
    access::{self, Operation},
    catalogue::{self, ServedServer, ServedTool, ToolParts},
    limits::{self, Standing},
    pins,
    questions::{Asking, Means, Subject},
    secrets, signing,
};

/// One call of a released tool.
#[derive(Debug)]
pub struct CallRequest {
    /// The tool.
    pub tool: ToolName,
    /// Its arguments: an object, or the answer says that it must be one (HIST-9).
    pub arguments: Value,
    /// The request that carries the call; its record names it.
    pub request_id: RequestId,
    /// Who hears how far it is and what it writes; reports are dropped when the channel is full.
    pub reports: Option<mpsc::Sender<Report>>,
    /// Cancelled when the caller takes the call back. Dropping the future of the call does the same.
    pub cancelled: CancellationToken,
    /// How its client can be asked what the tool wants to know.
    pub asking: Asking,
    /// What its caller brings for it; a try takes nothing.
    pub secrets: CallerSecrets,
}

/// How a call ended, or what it waits for.
#[derive(Debug, Clone)]
pub struct CallAnswer {
    /// The call; its record has this id.
    pub call_id: CallId,
    /// What came of it. Arguments or a result that do not match their schema are an [`Outcome::ToolError`] whose text a model can act on.
    pub outcome: Outcome,
    /// The outcome's word in records and metrics, which tells those two from what the tool threw.
    pub status: Status,
    /// The interface of the version that was called.
    pub interface: Arc<ToolInterface>,
    /// What the call used, in all its rounds.
    pub receipt: Receipt,
    /// What the client brings back with its answers, where the outcome is [`Outcome::Asks`].
    pub state: Option<String>,
    /// What the tool asked the client for in vain, since that had not declared it.
    pub lacked: Abilities,
    /// What a large result takes of the node's memory: to be kept until it has been sent.
    pub memory: Option<ResultMemory>,
    /// How many more calls the caller may make in this minute, where that was asked for.
    pub standing: Option<Standing>,
}

/// A run of a version that need not be released.
#[derive(Debug)]
pub struct TryRequest {
    /// The version; without one, the tool's newest.
    pub version: Option<VersionId>,
    /// The call.
    pub call: CallRequest,
}

/// How a try ended.
#[derive(Debug, Clone)]
pub struct TryAnswer {
    /// The version that ran.
    pub version_id: VersionId,
    /// How the call ended.
    pub answer: CallAnswer,
    /// What the tool wrote, at most the tier's `log_lines_max` lines.
    pub log: Vec<LogLine>,
}

/// Calls a tool of the server's current release.
pub async fn call_tool(app: &App, caller: &Caller, slug: &Slug, request: CallRequest) -> Result<CallAnswer, AppError> {
    access::require_use(caller, Operation::CallTool)?;
    caller.check_scope(&Scope::McpTool(request.tool.clone()))?;
    let _work = app.begin_work()?;
    let server = catalogue::load_usable(app, caller, slug).await?;
    let CallRequest { tool: name, arguments, request_id, reports, cancelled, asking, secrets } = request;
    let subject = Subject { method: "tools/call", name: name.as_str(), arguments: &arguments };
    let means = Means::of(app, caller, &server, asking, subject)?;
    let (tier, standing) = admit(app, caller, server.customer).await?;
    let tool = server.offers.tools.get(&name).ok_or_else(|| AppError::not_found("tool", &name))?;
    pins::check(app, caller, &server, tool).await?;
    let call =
        Call { caller, customer: server.customer, tier: &tier, server: &server, tool, secrets: &secrets, waiter: Waiter::Call };
    let baggage = Baggage { entry: Entry::Call, given: arguments, request_id, reports, cancelled, means };
    run(app, &call, baggage).await.map(|(answer, _)| CallAnswer { standing: Some(standing), ..answer })
}

/// Runs a version of a tool without releasing it. It is counted, limited and recorded as a call.
pub async fn try_tool(app: &App, caller: &Caller, slug: &Slug, request: TryRequest) -> Result<TryAnswer, AppError> {
    let customer = access::require_customer(caller, Operation::TryTool)?;
    let _work = app.begin_work()?;
    let CallRequest { tool: name, arguments, request_id, reports, cancelled, asking, .. } = request.call;
    // What it asks, it asks of the version, whichever that is: a state would have to be bound to it.
    let means = match asking {
        Asking::Rounds(_) => Means::Nobody("a try cannot be gone on with"),
        Asking::Nobody(reason) => Means::Nobody(reason),
        Asking::Live(client) => Means::Live(client),
    };
    limits::admit_try(app, caller).inspect_err(|_| app.metrics.observe_refusal(CallRefusal::Rate))?;
    let (tier, _) = admit(app, caller, customer).await?;
    let server = catalogue::load_own(app, customer, slug).await?;
    let tool = load_version(app, customer, &server, &name, request.version).await?;
    let secrets = CallerSecrets::default();
    let call = Call { caller, customer, tier: &tier, server: &server, tool: &tool, secrets: &secrets, waiter: Waiter::Person };
    let baggage = Baggage { entry: Entry::Call, given: arguments, request_id, reports, cancelled, means };
    let (answer, log) = run(app, &call, baggage).await?;
    Ok(TryAnswer { version_id: tool.version_id, answer, log })
}

/// A version of a tool, its newest if none is named, ready to be called; it need not be released.
pub(crate) async fn load_version(
    app: &App,
    customer: CustomerId,
    server: &ServedServer,
    name: &ToolName,
    version: Option<VersionId>,
) -> Result<ServedTool, AppError> {
    let mut connection = app.pool.acquire().await?;
    let found = store::tools::find(&mut connection, customer, server.server_id, name).await?;
    let tool = found.ok_or_else(|| AppError::not_found("tool", name))?;
    let found = match version {
        Some(version) => {
            let found = store::versions::find(&mut connection, customer, version).await?;
            found.map(|found| found.summary).filter(|found| found.tool == tool.id)
        }
        None => store::versions::find_newest(&mut connection, customer, tool.id).await?,
    };
    let version = found.ok_or_else(|| match version {
        Some(version) => AppError::not_found("version", version),
        None => AppError::not_found("tool", name),
    })?;
    let signed = signing::check_kept(app, &mut connection, &version).await?;
    let names = version.grants.secrets.keys().cloned().collect();
    let secrets = secrets::open(app, &mut connection, customer, server.server_id, &names).await?;
    drop(connection);
    let parts = ToolParts {
        signed,
        version_id: version.id,
        digest: version.digest,
        language: version.language,
        export: version.export,
        source_digest: version.source_digest,
        artifact: None,
        interface: version.interface,
        grants: &version.grants,
        environment: &server.environment,
        customer,
        secrets: &secrets,
    };
    Ok(ServedTool::new(parts))
}
