//! The way of every call, whatever is called: limits, the record, arguments, a place, the code, the run (design.md, "One tools/call").

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use compiler::Waiter;
use domain::{
    Abilities, Answer, CallId, CustomerId, Digest, KeepContents, LimitExceeded, LimitName, LogLine, Outcome, Receipt, RequestId,
    Status, Tier,
};
use egress::Permission;
use sandbox::{Entry, Replay, Report};
use serde_json::{Value, json};
use store::{executions::CONTENT_BYTES_MAX, journals::KeptJournal};
use telemetry::CallRefusal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{CallAnswer, open_call::OpenCall};
use crate::{
    App, AppError, Caller, CallerSecrets,
    artifacts::{self, Ready, Wanted},
    catalogue::{ServedServer, ServedTool},
    guests::{self, Arguments, Checked, Finished, Unfinished},
    limits::{self, Counted, QuotaError, Rate, RateExceeded, RatePolicy, Standing},
    modules, outside,
    questions::{self, Beginning, Channel, Means, Resumed, Seat, Unanswered},
    records::{CallFacts, Ending, redaction},
    tiers,
};

/// A call that was let in.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) customer: CustomerId,
    pub(crate) tier: &'a Tier,
    pub(crate) server: &'a ServedServer,
    pub(crate) tool: &'a ServedTool,
    /// What the caller brought.
    pub(crate) secrets: &'a CallerSecrets,
    /// Whether a person waits for it, where its code is to be made first.
    pub(crate) waiter: Waiter,
}

/// What a call brings along.
pub(crate) struct Baggage {
    pub(crate) entry: Entry,
    /// What the entry takes: the arguments, or the question for values.
    pub(crate) given: Value,
    pub(crate) request_id: RequestId,
    pub(crate) reports: Option<mpsc::Sender<Report>>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) means: Means,
}

/// What a call goes on with.
struct Again {
    /// What its runs so far used.
    used: Receipt,
    replay: Replay,
    /// What is given back if nothing comes of it.
    row: KeptJournal,
}

/// The customer's tier, if it allows one more request now, and how many more it would. Every request counts against the minute, whatever it asks for.
pub(crate) async fn admit(app: &App, caller: &Caller, customer: CustomerId) -> Result<(Arc<Tier>, Standing), AppError> {
    if !app.outage.allows_calls() {
        return Err(unavailable(app, "the database has been away for longer than calls go on without it"));
    }
    let tier = tiers::of_customer(app, customer).await?;
    let per_minute = tier.limits.calls_per_minute_max;
    let share = limits::admit_call(app, caller, per_minute).inspect_err(|_| app.metrics.observe_refusal(CallRefusal::Rate))?;
    let left = app.call_rates.take(customer, per_minute).map_err(|RateExceeded { retry_after_s }| {
        app.metrics.observe_refusal(CallRefusal::Rate);
        let limit = LimitExceeded { limit: LimitName::CallsPerMinuteMax, value: per_minute.into(), tier: tier.name.clone() };
        AppError::RateLimited { limit, retry_after_s }
    })?;
    let policy = RatePolicy { rate: Rate::CallsPerMinuteMax, counted: Counted::Customer, quota: per_minute };
    // The one of the two that ends first.
    let standing = share.filter(|share| share.left <= left).unwrap_or(Standing { policy, left });
    Ok((tier, standing))
}

/// Takes one of the calls of the month. The call's record is opened next, or it is given back: what is charged is recorded, and nothing else
/// is.
async fn charge(app: &App, call: &Call<'_>) -> Result<(), AppError> {
    let Some(per_month) = call.tier.limits.calls_per_month_max else { return Ok(()) };
    match app.quotas.take(call.customer, per_month, app.clock.now()).await {
        Ok(()) => Ok(()),
        Err(QuotaError::Exceeded { retry_after_s }) => {
            app.metrics.observe_refusal(CallRefusal::Quota);
            let limit = LimitExceeded { limit: LimitName::CallsPerMonthMax, value: per_month, tier: call.tier.name.clone() };
            Err(AppError::RateLimited { limit, retry_after_s })
        }
        Err(QuotaError::Away) => {
            Err(unavailable(app, "the database is away, and no more calls go on that are charged when it is back"))
        }
        Err(QuotaError::Store(error)) => {
            app.metrics.observe_refusal(CallRefusal::Unavailable);
            Err(error.into())
        }
    }
}

fn give_back_charge(app: &App, call: &Call<'_>) {
    if let Some(per_month) = call.tier.limits.calls_per_month_max {
        app.quotas.put_back(call.customer, per_month, app.clock.now());
    }
}

fn unavailable(app: &App, message: &str) -> AppError {
    app.metrics.observe_refusal(CallRefusal::Unavailable);
    AppError::Unavailable { message: message.to_owned() }
}

/// Runs a call, or goes on with one whose client was asked something, and records how it ended, however it ends.
pub(crate) async fn run(app: &App, call: &Call<'_>, baggage: Baggage) -> Result<(CallAnswer, Vec<LogLine>), AppError> {
    let beginning = match &baggage.means {
        // On the heap, as all that few calls need.
        Means::Round(round) if !round.is_first() => Box::pin(round.begin(app, call.server, call.secrets)).await?,
        _ => Beginning::First,
    };
    match beginning {
        Beginning::First => {
            modules::check(call.tool, call.tier)?;
            charge(app, call).await?;
            let facts = facts(call, CallId::new(), baggage.request_id, app.clock.now());
            go(app, call, baggage, facts, None).await
        }
        Beginning::Unanswered(unanswered) => Ok((ask_again(call, *unanswered), Vec::new())),
        Beginning::Again(resumed) => Box::pin(go_on(app, call, baggage, *resumed)).await,
    }
}

fn facts(call: &Call<'_>, id: CallId, request: RequestId, queued_at: DateTime<Utc>) -> CallFacts {
    CallFacts {
        call: id,
        request,
        customer: call.customer,
        api_key: call.caller.api_key(),
        authorization: call.caller.authorization(),
        user: call.caller.user(),
        sign_in: call.caller.sign_in(),
        client: call.caller.client().map(str::to_owned),
        server: call.server.server_id,
        slug: call.server.slug.clone(),
        tool: call.tool.interface.name.clone(),
        version: call.tool.version_id,
        digest: call.tool.digest,
        queued_at,
    }
}

/// A client that has answered nothing is asked the same: nothing runs.
fn ask_again(call: &Call<'_>, unanswered: Unanswered) -> CallAnswer {
    let Unanswered { call: call_id, questions, used, state } = unanswered;
    CallAnswer {
        call_id,
        outcome: Outcome::Asks(questions),
        status: Status::Waiting,
        interface: Arc::clone(&call.tool.interface),
        receipt: used,
        state: Some(state),
        lacked: Abilities::default(),
        memory: None,
        standing: None,
    }
}

/// Goes on with a call, whichever version is served by now: with the one that it began with.
async fn go_on(app: &App, call: &Call<'_>, baggage: Baggage, resumed: Resumed) -> Result<(CallAnswer, Vec<LogLine>), AppError> {
    let Resumed { kept, answers, row } = resumed;
    let version = kept.version();
    let begun_with = if version == call.tool.version_id {
        None
    } else {
        let name = &call.tool.interface.name;
        let loading = super::load_version(app, call.customer, call.server, name, Some(version));
        match app.outage.while_there(loading).await {
            Ok(tool) => Some(tool),
            Err(error) => {
                questions::give_back(app, &row).await;
                return Err(error);
            }
        }
    };
    let call = Call { tool: begun_with.as_ref().unwrap_or(call.tool), ..*call };
    let facts = facts(&call, kept.call, kept.request, kept.queued_at);
    let again = Again { used: kept.journal.used.clone(), replay: Replay { journal: kept.journal, answers }, row };
    go(app, &call, baggage, facts, Some(again)).await
}

/// One run of a call.
async fn go(
    app: &App,
    call: &Call<'_>,
    baggage: Baggage,
    facts: CallFacts,
    again: Option<Again>,
) -> Result<(CallAnswer, Vec<LogLine>), AppError> {
    let given = (call.server.keep_contents != KeepContents::None).then(|| baggage.given.clone());
    let bound_to = match &baggage.means {
        Means::Round(round) => Some(round.bound_to()),
        Means::Nobody(_) | Means::Live(_) => None,
    };
    let permission = outside::of_call(call.tool, call.secrets);
    let (replay, before) = again.map(|Again { used, replay, row }| (replay, (used, row))).unzip();
    let used = before.as_ref().map(|(used, _)| used.clone());
    let open = match OpenCall::begin(app, facts.clone(), used) {
        Ok(open) => open,
        Err(error) => {
            match &before {
                Some((_, row)) => {
                    questions::give_back(app, row).await;
                }
                None => give_back_charge(app, call),
            }
            return Err(error);
        }
    };
    let attempted = tokio::select! {
        attempted = attempt(app, call, Arc::clone(&permission), baggage, replay, &open) => attempted,
        () = app.interrupted() => {
            let error = AppError::Unavailable { message: "this node is shutting down".to_owned() };
            Err(Unfinished { error, began: true })
        }
    };
    match (attempted, before) {
        (Ok(finished), _) => settle(app, call, open, finished, &Settling { facts, bound_to, given, permission }).await,
        (Err(Unfinished { error, began: false }), Some((_, row))) if questions::give_back(app, &row).await => {
            open.wait();
            Err(error)
        }
        (Err(Unfinished { error, .. }), _) => {
            open.fail(&error);
            Err(error)
        }
    }
}

/// What it takes to settle a run that ended.
struct Settling {
    facts: CallFacts,
    bound_to: Option<Digest>,
    given: Option<Value>,
    /// Whose secrets are masked in what is kept.
    permission: Arc<Permission>,
}

/// Records how a run ended; of one that ended with questions, keeps what the next goes on with.
async fn settle(
    app: &App,
    call: &Call<'_>,
    open: OpenCall<'_>,
    mut finished: Finished,
    settling: &Settling,
) -> Result<(CallAnswer, Vec<LogLine>), AppError> {
    let Settling { facts, bound_to, given, permission } = settling;
    let receipt = finished.receipt.take().or_else(|| open.used().cloned());
    let shown = receipt.clone().unwrap_or_else(|| Receipt::empty(call.tool.digest));
    let state = if let (Some(journal), Some(bound_to)) = (finished.journal.take(), bound_to) {
        let brought = outside::names_brought(call.tool, call.secrets);
        match Box::pin(questions::keep(app, bound_to, facts, &brought, *journal)).await {
            Ok(state) => {
                open.wait_with(shown.clone());
                Some(state)
            }
            Err(error) => {
                let status = match &error {
                    AppError::TooManyWaiting { .. } => Status::LimitExceeded,
                    _ => Status::Interrupted,
                };
                open.end(&shown, Ending { status, error: Some(error.to_string()), receipt, contents: None });
                return Err(error);
            }
        }
    } else {
        let contents = given
            .as_ref()
            .filter(|_| call.server.keep_contents.covers(finished.status))
            .map(|given| redaction::redact(given, result_of(&finished.outcome).as_ref(), permission));
        open.end(&shown, Ending { status: finished.status, error: finished.error(), receipt, contents });
        None
    };
    let Finished { outcome, status, log, lacked, memory, .. } = finished;
    let interface = Arc::clone(&call.tool.interface);
    Ok((
        CallAnswer { call_id: facts.call, outcome, status, interface, receipt: shown, state, lacked, memory, standing: None },
        log,
    ))
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

/// The code of the tool, and how long it was waited for. Most calls find it at their first look, and need no clock.
async fn prepare(app: &App, call: &Call<'_>) -> Result<(Ready, Duration), AppError> {
    let wanted = Wanted { customer: call.customer, tier: call.tier, tool: call.tool, waiter: call.waiter };
    let mut preparing = pin!(artifacts::prepare(app, &wanted));
    if let Poll::Ready(ready) = poll_fn(|context| Poll::Ready(preparing.as_mut().poll(context))).await {
        return Ok((ready?, Duration::ZERO));
    }
    let began = Instant::now();
    let prepared = tokio::time::timeout(app.settings.making_wait_max, preparing).await;
    let ready = prepared.unwrap_or(Err(AppError::Busy { limit: None, retry_after_s: 1 }))?;
    Ok((ready, began.elapsed()))
}

async fn attempt(
    app: &App,
    call: &Call<'_>,
    permission: Arc<Permission>,
    baggage: Baggage,
    replay: Option<Replay>,
    open: &OpenCall<'_>,
) -> Result<Finished, Unfinished> {
    let Baggage { entry, given, reports, cancelled, means, .. } = baggage;
    modules::check(call.tool, call.tier)?;
    let checked = match entry {
        Entry::Call => tokio::select! {
            biased;
            () = cancelled.cancelled() => return Ok(Finished::cancelled()),
            checked = guests::check_arguments(app, call.tool, given) => checked?,
        },
        Entry::Complete => Checked::Right(Arguments::unchecked(&given), Duration::ZERO),
    };
    let (arguments, waited) = match checked {
        Checked::Right(arguments, waited) => (arguments, waited),
        Checked::Wrong(finished) => return Ok(*finished),
    };
    let place = tokio::select! {
        biased;
        () = cancelled.cancelled() => return Ok(Finished::cancelled()),
        place = guests::take_place(app, call.customer, call.tier) => place?,
    };
    let (ready, made_in) = tokio::select! {
        biased;
        () = cancelled.cancelled() => return Ok(Finished::cancelled()),
        ready = prepare(app, call) => ready?,
    };
    let prepared_us = u32::try_from((waited + made_in).as_micros()).unwrap_or(u32::MAX);
    let receipts = Some(open.start());
    let queue_us = place.queue_us;
    let seat = Seat::of(place);
    let Channel { questions, dialogue } = questions::channel(app, call, means, replay, &seat);
    let run = guests::Run {
        customer: call.customer,
        permission,
        tier: call.tier,
        entry,
        arguments,
        seat,
        queue_us,
        prepared_us,
        questions,
        dialogue,
        receipts,
        cancelled,
    };
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
