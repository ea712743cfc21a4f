//! Calls of tools: the way of design.md's "One tools/call".

use std::sync::Arc;

use domain::{
    CallId, CustomerId, Digest, LimitExceeded, LimitName, LogLine, Outcome, Receipt, RequestId, Slug, Status, Tier,
    ToolInterface, ToolName, VersionId,
};
use serde_json::Value;
use telemetry::CallRefusal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    App, AppError, Caller, Progress,
    access::{self, Operation},
    artifacts,
    catalogue::{self, ServedServer, ServedTool, ToolParts},
    guests::{self, Finished},
    limits::{QuotaError, RateExceeded},
    records::{CallFacts, Ending, Record, RecordsFull},
    tiers,
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
    /// Who hears of progress; reports are dropped when the channel is full.
    pub progress: Option<mpsc::Sender<Progress>>,
    /// Cancelled when the caller takes the call back. Dropping the future of the call does the same.
    pub cancelled: CancellationToken,
}

/// How a call ended.
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
    /// What the call used.
    pub receipt: Receipt,
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
    let customer = access::require_customer(caller, Operation::CallTool)?;
    let _work = app.begin_work()?;
    let tier = admit(app, customer).await?;
    let server = catalogue::find_own(app, customer, slug).await?;
    let tool = server.tools.get(&request.tool).ok_or_else(|| AppError::not_found("tool", &request.tool))?;
    let call = Call { caller, customer, tier: &tier, server: &server, tool };
    run(app, &call, request).await.map(|(answer, _)| answer)
}

/// Runs a version of a tool without releasing it. It is counted, limited and recorded as a call.
pub async fn try_tool(app: &App, caller: &Caller, slug: &Slug, request: TryRequest) -> Result<TryAnswer, AppError> {
    let customer = access::require_customer(caller, Operation::TryTool)?;
    let _work = app.begin_work()?;
    let tier = admit(app, customer).await?;
    let server = catalogue::find_own(app, customer, slug).await?;
    let tool = load_version(app, customer, &server, &request).await?;
    let call = Call { caller, customer, tier: &tier, server: &server, tool: &tool };
    let (answer, log) = run(app, &call, request.call).await?;
    Ok(TryAnswer { version_id: tool.version_id, answer, log })
}

/// A call that was let in.
struct Call<'a> {
    caller: &'a Caller,
    customer: CustomerId,
    tier: &'a Tier,
    server: &'a ServedServer,
    tool: &'a ServedTool,
}

/// The customer's tier, if it allows one more call now.
async fn admit(app: &App, customer: CustomerId) -> Result<Arc<Tier>, AppError> {
    let tier = tiers::of_customer(app, customer).await?;
    let refuse = |refusal, limit, value, retry_after_s| {
        app.metrics.observe_refusal(refusal);
        AppError::RateLimited { limit: LimitExceeded { limit, value, tier: tier.name.clone() }, retry_after_s }
    };
    let per_minute = tier.limits.calls_per_minute_max;
    if let Err(RateExceeded { retry_after_s }) = app.call_rates.take(customer, per_minute) {
        return Err(refuse(CallRefusal::Rate, LimitName::CallsPerMinuteMax, per_minute.into(), retry_after_s));
    }
    if let Some(per_month) = tier.limits.calls_per_month_max {
        match app.quotas.take(customer, per_month, app.clock.now()).await {
            Ok(()) => {}
            Err(QuotaError::Exceeded { retry_after_s }) => {
                return Err(refuse(CallRefusal::Quota, LimitName::CallsPerMonthMax, per_month, retry_after_s));
            }
            Err(QuotaError::Store(error)) => {
                app.metrics.observe_refusal(CallRefusal::Unavailable);
                return Err(error.into());
            }
        }
    }
    Ok(tier)
}

/// The version that is to be tried, ready to be called.
async fn load_version(
    app: &App,
    customer: CustomerId,
    server: &ServedServer,
    request: &TryRequest,
) -> Result<ServedTool, AppError> {
    let name = &request.call.tool;
    let mut connection = app.pool.acquire().await?;
    let found = store::tools::find(&mut connection, customer, server.server_id, name).await?;
    let tool = found.ok_or_else(|| AppError::not_found("tool", name))?;
    let version = match request.version {
        Some(version) => {
            let found = store::versions::find(&mut connection, customer, version).await?;
            found.map(|found| found.summary).filter(|found| found.tool == tool.id)
        }
        None => store::versions::find_newest(&mut connection, customer, tool.id).await?,
    };
    let version = version.ok_or_else(|| match request.version {
        Some(version) => AppError::not_found("version", version),
        None => AppError::not_found("tool", name),
    })?;
    ServedTool::new(ToolParts {
        version_id: version.id,
        digest: version.digest,
        language: version.language,
        source_digest: version.source_digest,
        artifact: None,
        interface: version.interface,
        grants: &version.grants,
        environment: &server.environment,
    })
    .map_err(|error| AppError::internal(format!("cannot try version {}", version.id), error))
}

/// Runs a call, and records how it ended, however it ends.
async fn run(app: &App, call: &Call<'_>, request: CallRequest) -> Result<(CallAnswer, Vec<LogLine>), AppError> {
    let Caller::Customer { api_key, .. } = call.caller else {
        return Err(AppError::Forbidden { needed: "a customer's API key" });
    };
    let facts = CallFacts {
        call: CallId::new(),
        request: request.request_id,
        customer: call.customer,
        api_key: Some(*api_key),
        server: call.server.server_id,
        slug: call.server.slug.clone(),
        tool: request.tool.clone(),
        version: call.tool.version_id,
        queued_at: app.clock.now(),
    };
    let call_id = facts.call;
    let record = app.records.open(facts).map_err(|RecordsFull| {
        app.metrics.observe_refusal(CallRefusal::Unavailable);
        AppError::Unavailable { message: "the records of calls cannot be written at the moment".to_owned() }
    })?;
    let open = OpenCall { app, record: Some(record) };
    let attempted = tokio::select! {
        attempted = attempt(app, call, request, &open) => attempted,
        () = app.interrupted() => Err(AppError::Unavailable { message: "this node is shutting down".to_owned() }),
    };
    match attempted {
        Ok(finished) => {
            let receipt = finished.receipt.clone().unwrap_or_else(|| Receipt::empty(call.tool.digest));
            open.end(&receipt, Ending { status: finished.status, error: finished.error(), receipt: finished.receipt });
            let interface = Arc::clone(&call.tool.interface);
            let answer = CallAnswer { call_id, outcome: finished.outcome, status: finished.status, interface, receipt };
            Ok((answer, finished.log))
        }
        Err(error) => {
            open.fail(&error);
            Err(error)
        }
    }
}

/// A call between its record's opening and closing. Dropped in between, because whoever called went away, it is closed as cancelled.
struct OpenCall<'a> {
    app: &'a App,
    /// Absent once the call is closed.
    record: Option<Record>,
}

impl OpenCall<'_> {
    /// The call came to an end of its own.
    fn end(mut self, receipt: &Receipt, ending: Ending) {
        self.close(receipt, ending);
    }

    /// The platform could not bring the call to an end.
    fn fail(mut self, error: &AppError) {
        let refusal = match error {
            AppError::Busy { limit: Some(_), .. } => Some((CallRefusal::Concurrency, Status::LimitExceeded)),
            AppError::Busy { limit: None, .. } => Some((CallRefusal::NodeBusy, Status::Interrupted)),
            _ => None,
        };
        let ending = |status| Ending { status, receipt: None, error: Some(error.to_string()) };
        match (refusal, self.record.take()) {
            (Some((refusal, status)), Some(record)) => {
                self.app.metrics.observe_refusal(refusal);
                record.close(ending(status));
            }
            (_, record) => {
                self.record = record;
                self.close(&nothing_used(), ending(Status::Interrupted));
            }
        }
    }

    fn close(&mut self, receipt: &Receipt, ending: Ending) {
        if let Some(record) = self.record.take() {
            self.app.metrics.observe_call(ending.status, receipt);
            record.close(ending);
        }
    }

    fn start(&self) {
        self.record.iter().for_each(Record::start);
    }

    fn set_progress(&self, progress: &Progress) {
        self.record.iter().for_each(|record| record.set_progress(progress));
    }
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        self.close(&nothing_used(), Ending { status: Status::Cancelled, receipt: None, error: None });
    }
}

fn nothing_used() -> Receipt {
    Receipt::empty(Digest::from_bytes([0; 32]))
}

async fn attempt(app: &App, call: &Call<'_>, request: CallRequest, open: &OpenCall<'_>) -> Result<Finished, AppError> {
    let CallRequest { arguments, progress, cancelled, .. } = request;
    let arguments = match guests::check_arguments(call.tool, arguments).await {
        Ok(arguments) => arguments,
        Err(finished) => return Ok(*finished),
    };
    let place = tokio::select! {
        biased;
        () = cancelled.cancelled() => return Ok(Finished::cancelled()),
        place = guests::take_place(app, call.customer, call.tier) => place?,
    };
    let ready = tokio::select! {
        biased;
        () = cancelled.cancelled() => return Ok(Finished::cancelled()),
        ready = artifacts::prepare(app, call.customer, call.tier, call.tool) => ready?,
    };
    open.start();
    let run = guests::Run { tier: call.tier, arguments, place, cancelled };
    let report = |reported: Progress| {
        open.set_progress(&reported);
        if let Some(listener) = &progress {
            // Full or gone: the report is for whoever can take it.
            let _ = listener.try_send(reported);
        }
    };
    guests::run(app, call.tool, &ready, run, report).await
}
