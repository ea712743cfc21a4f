//! The way of every call, whatever is called: limits, the record, arguments, a place, the code, the run (design.md, "One tools/call").

use std::sync::Arc;

use domain::{Answer, CallId, CustomerId, KeepContents, LimitExceeded, LimitName, LogLine, Outcome, Receipt, RequestId, Tier};
use sandbox::{Entry, Report};
use serde_json::{Value, json};
use store::executions::CONTENT_BYTES_MAX;
use telemetry::CallRefusal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{CallAnswer, open_call::OpenCall};
use crate::{
    App, AppError, Caller, artifacts,
    catalogue::{ServedServer, ServedTool},
    guests::{self, Arguments, Finished},
    limits::{QuotaError, RateExceeded},
    modules,
    records::{CallFacts, Ending, redaction},
    tiers,
};

/// A call that was let in.
pub(crate) struct Call<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) customer: CustomerId,
    pub(crate) tier: &'a Tier,
    pub(crate) server: &'a ServedServer,
    pub(crate) tool: &'a ServedTool,
}

/// What a call brings along.
pub(crate) struct Baggage {
    pub(crate) entry: Entry,
    /// What the entry takes: the arguments, or the question for values.
    pub(crate) given: Value,
    pub(crate) request_id: RequestId,
    pub(crate) reports: Option<mpsc::Sender<Report>>,
    pub(crate) cancelled: CancellationToken,
}

/// The customer's tier, if it allows one more call now.
pub(crate) async fn admit(app: &App, customer: CustomerId) -> Result<Arc<Tier>, AppError> {
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

/// Runs a call, and records how it ended, however it ends.
pub(crate) async fn run(app: &App, call: &Call<'_>, baggage: Baggage) -> Result<(CallAnswer, Vec<LogLine>), AppError> {
    let facts = CallFacts {
        call: CallId::new(),
        request: baggage.request_id,
        customer: call.customer,
        api_key: call.caller.api_key(),
        authorization: call.caller.authorization(),
        user: call.caller.user(),
        server: call.server.server_id,
        slug: call.server.slug.clone(),
        tool: call.tool.interface.name.clone(),
        version: call.tool.version_id,
        queued_at: app.clock.now(),
    };
    let call_id = facts.call;
    let given = (call.server.keep_contents != KeepContents::None).then(|| baggage.given.clone());
    let open = OpenCall::begin(app, facts)?;
    let attempted = tokio::select! {
        attempted = attempt(app, call, baggage, &open) => attempted,
        () = app.interrupted() => Err(AppError::Unavailable { message: "this node is shutting down".to_owned() }),
    };
    match attempted {
        Ok(finished) => {
            let receipt = finished.receipt.clone().unwrap_or_else(|| Receipt::empty(call.tool.digest));
            let contents = given
                .filter(|_| call.server.keep_contents.covers(finished.status))
                .map(|given| redaction::redact(&given, result_of(&finished.outcome).as_ref(), &call.tool.permission));
            open.end(&receipt, Ending { status: finished.status, error: finished.error(), receipt: finished.receipt, contents });
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

/// What a call answered, as a record keeps it: JSON as it is, content as MCP has it, a failure by its name and message.
fn result_of(outcome: &Outcome) -> Option<Value> {
    match outcome {
        Outcome::Success(Answer::Json(json)) if json.get().len() > CONTENT_BYTES_MAX => Some(json.get().into()),
        Outcome::Success(Answer::Json(json)) => Some(json.to_value()),
        Outcome::Success(Answer::Content(content)) => serde_json::to_value(content).ok(),
        Outcome::ToolError(failure) => Some(json!({ "name": failure.name, "message": failure.message })),
        // All that there is stands in the record's error.
        Outcome::LimitExceeded(_) | Outcome::Trap(_) | Outcome::Cancelled | Outcome::Asks(_) => None,
    }
}

async fn attempt(app: &App, call: &Call<'_>, baggage: Baggage, open: &OpenCall<'_>) -> Result<Finished, AppError> {
    let Baggage { entry, given, reports, cancelled, .. } = baggage;
    modules::check(call.tool, call.tier)?;
    let checked = match entry {
        Entry::Call => guests::check_arguments(call.tool, given).await,
        Entry::Complete => Ok(Arguments::unchecked(&given)),
    };
    let arguments = match checked {
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
    let receipts = Some(open.start());
    let run = guests::Run { tier: call.tier, entry, arguments, place, receipts, cancelled };
    let report = |reported: Report| {
        if let Report::Progress(progress) = &reported {
            open.set_progress(progress);
        }
        if let Some(listener) = &reports {
            // Full or gone: the report is for whoever can take it.
            let _ = listener.try_send(reported);
        }
    };
    guests::run(app, call.tool, &ready, run, report).await
}
