//! One run of a tool's code, from arguments to a judged result: what calls, tries and examples have in common.

use std::{
    convert::Infallible,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{
    Abilities, Answer, Completion, ContentError, CustomerId, Journal, LimitExceeded, LimitName, LogLine, Offer, Outcome,
    PromptAnswer, Receipt, ResourceAnswer, Status, Tier, ToolFailure,
};
use egress::Permission;
use sandbox::{CallLimits, Entry, Invocation, InvokeError, Invoked, Questions, Report, ResultMemory};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    App, AppError,
    artifacts::Ready,
    catalogue::ServedTool,
    limits::{Permit, PermitError},
    outside,
    questions::{Dialogue, Seat},
    schemas::{self, Schema, ToolSchemas},
};

/// Reports that wait to be passed on. A tool that reports faster loses reports, not time.
const REPORTS_MAX: usize = 16;

/// Characters of a parser's message: it may repeat what was answered.
const FAULT_CHARS_MAX: usize = 240;

/// Arguments that a tool takes.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// A JSON object.
    text: String,
}

/// Arguments that were held against the tool's input schema.
#[derive(Debug)]
pub(crate) enum Checked {
    /// They are as they must be, and what they were held against was waited for so long.
    Right(Arguments, Duration),
    /// What is wrong comes as the end of the run.
    Wrong(Box<Finished>),
}

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: Status,
    pub(crate) outcome: Outcome,
    /// Absent if nothing ran.
    pub(crate) receipt: Option<Receipt>,
    pub(crate) log: Vec<LogLine>,
    /// What it goes on with, if it ended with questions.
    pub(crate) journal: Option<Box<Journal>>,
    /// What it asked its client for in vain.
    pub(crate) lacked: Abilities,
    /// What its result takes until it has been sent.
    pub(crate) memory: Option<ResultMemory>,
}

/// A run that the platform did not bring to its end.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) error: AppError,
    /// Whether the guest may have done anything.
    pub(crate) began: bool,
}

/// A place for a call, and how long it was waited for.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: Permit,
    pub(crate) queue_us: u64,
}

/// Checks `given` against the tool's input schema.
pub(crate) async fn check_arguments(app: &App, tool: &ServedTool, given: Value) -> Result<Checked, AppError> {
    if !given.is_object() {
        let message = format!("the arguments must be a JSON object, not {}", kind_of(&given));
        return Ok(Checked::Wrong(Box::new(Finished::invalid_arguments(message))));
    }
    let text = given.to_string();
    let (ToolSchemas { input, output: _ }, waited) = schemas::load(app, tool).await?;
    let (_, violations) = input.check(given, text.len()).await;
    if violations.is_empty() {
        return Ok(Checked::Right(Arguments { text }, waited));
    }
    let message = format!("the arguments do not match the tool's input schema: {}", violations.join("; "));
    Ok(Checked::Wrong(Box::new(Finished::invalid_arguments(message))))
}

/// Waits for one of the customer's places.
pub(crate) async fn take_place(app: &App, customer: CustomerId, tier: &Tier) -> Result<Place, AppError> {
    let limits = &tier.limits;
    let wait_max = Duration::from_millis(limits.queue_wait_ms_max.into());
    take_place_within(app, customer, tier, wait_max).await.map_err(|refused| {
        let (limit, value) = match refused {
            PermitError::Full => (LimitName::ConcurrentCallsMax, limits.concurrent_calls_max),
            PermitError::Late => (LimitName::QueueWaitMsMax, limits.queue_wait_ms_max),
        };
        let limit = LimitExceeded { limit, value: value.into(), tier: tier.name.clone() };
        AppError::Busy { limit: Some(limit), retry_after_s: 1 }
    })
}

/// As [`take_place`], for those who may wait for another time.
pub(crate) async fn take_place_within(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    wait_max: Duration,
) -> Result<Place, PermitError> {
    let began = Instant::now();
    let permit = app.permits.take(customer, tier.limits.concurrent_calls_max, wait_max).await?;
    let queue_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(Place { _permit: permit, queue_us })
}

/// Runs the code and judges its result. `report` hears what it says meanwhile; no database connection is held meanwhile.
pub(crate) async fn run(
    app: &App,
    tool: &ServedTool,
    ready: &Ready,
    mut run: Run<'_>,
    mut report: impl FnMut(Report),
) -> Result<Finished, Unfinished> {
    let outbound = match outside::open(app, tool, &run.permission, run.tier) {
        Ok(outbound) => outbound,
        Err(limit) => return Ok(Finished::beyond(limit)),
    };
    let (sender, mut reports) = mpsc::channel(REPORTS_MAX);
    let invocation = Invocation {
        customer: run.customer,
        arguments: run.arguments.text,
        environment: Arc::clone(&tool.environment),
        limits: CallLimits::from(run.tier),
        entry: run.entry,
        outbound,
        reports: Some(sender),
        receipts: run.receipts,
        questions: run.questions,
        cancelled: run.cancelled,
        queue_us: run.queue_us,
        prepared_us: run.prepared_us,
        digest: ready.digest,
    };
    let invoked = {
        // Gone when its result is judged: the two share their place in the future of every call.
        let mut invoking = pin!(app.sandbox.invoke(&ready.code, invocation));
        loop {
            tokio::select! {
                biased;
                Some(reported) = reports.recv() => report(reported),
                invoked = &mut invoking => break invoked.map_err(Unfinished::from)?,
                never = talk(run.dialogue.as_deref_mut()) => match never {},
            }
        }
    };
    while let Ok(reported) = reports.try_recv() {
        report(reported);
    }
    // The guest is gone: its place is free while the result is looked at.
    drop(run.dialogue);
    run.seat.leave();
    let judged = judge(app, tool, run.entry, invoked).await;
    judged.map_err(|error| Unfinished { error, began: true })
}

/// What a run is given.
pub(crate) struct Run<'a> {
    pub(crate) customer: CustomerId,
    /// What it may do outside.
    pub(crate) permission: Arc<Permission>,
    pub(crate) tier: &'a Tier,
    pub(crate) entry: Entry,
    pub(crate) arguments: Arguments,
    /// Its place among the customer's calls.
    pub(crate) seat: Seat,
    /// How long that was waited for.
    pub(crate) queue_us: u64,
    /// How long what it needs to run was waited for.
    pub(crate) prepared_us: u32,
    pub(crate) questions: Questions,
    /// Where the client is asked while the call runs.
    pub(crate) dialogue: Option<Box<Dialogue<'a>>>,
    /// Where the receipt goes, also if whoever runs it goes away.
    pub(crate) receipts: Option<mpsc::Sender<Receipt>>,
    pub(crate) cancelled: CancellationToken,
}

impl Arguments {
    /// What an entry takes that has no schema of its own.
    pub(crate) fn unchecked(given: &Value) -> Self {
        Self { text: given.to_string() }
    }
}

impl Finished {
    /// The caller went away before anything ran.
    pub(crate) fn cancelled() -> Self {
        Self::without_run(Status::Cancelled, Outcome::Cancelled)
    }

    /// Its tier does not let it run.
    fn beyond(limit: LimitExceeded) -> Self {
        Self::without_run(Status::LimitExceeded, Outcome::LimitExceeded(limit))
    }

    fn invalid_arguments(message: String) -> Self {
        Self::without_run(Status::InvalidArguments, failure("InvalidArguments", message))
    }

    fn without_run(status: Status, outcome: Outcome) -> Self {
        Self { status, outcome, receipt: None, log: Vec::new(), journal: None, lacked: Abilities::default(), memory: None }
    }

    /// What went wrong, in a sentence; nothing if it went well.
    pub(crate) fn error(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Success(Answer::Content(content)) if content.is_error => Some(content.first_text().to_owned()),
            Outcome::Success(_) | Outcome::Cancelled | Outcome::Asks(_) => None,
            Outcome::ToolError(failure) => Some(format!("{}: {}", failure.name, failure.message)),
            Outcome::LimitExceeded(limit) => Some(limit.to_string()),
            Outcome::Trap(text) => Some(text.clone()),
        }
    }
}

/// Holds a result against what the tool promised, or against the form that its kind of answer has.
async fn judge(app: &App, tool: &ServedTool, entry: Entry, invoked: Invoked) -> Result<Finished, AppError> {
    let Invoked { mut outcome, receipt, log, journal, lacked, memory } = invoked;
    let mut status = outcome.status();
    if let (Status::Success, Outcome::Success(answer)) = (status, &outcome)
        && let Some(message) = find_fault(app, tool, entry, answer).await?
    {
        status = Status::InvalidResult;
        outcome = failure("InvalidResult", message);
    }
    Ok(Finished { status, outcome, receipt: Some(receipt), log, journal, lacked, memory })
}

/// What is wrong with an answer; nothing, if it is as it must be.
async fn find_fault(app: &App, tool: &ServedTool, entry: Entry, answer: &Answer) -> Result<Option<String>, AppError> {
    Ok(match (entry, &tool.interface.offer) {
        (Entry::Complete, _) => fault_of_form("completion", answer, Completion::check),
        (Entry::Call, Offer::Resource(_)) => fault_of_form("resource", answer, ResourceAnswer::check),
        (Entry::Call, Offer::Prompt(_)) => fault_of_form("prompt", answer, PromptAnswer::check),
        (Entry::Call, Offer::Tool) if tool.interface.output.is_some() => {
            let (ToolSchemas { input: _, output }, _) = schemas::load(app, tool).await?;
            let violations = match &output {
                Some(schema) => check_result(app, answer, schema).await,
                None => Vec::new(),
            };
            (!violations.is_empty())
                .then(|| format!("the tool's result does not match its own output schema: {}", violations.join("; ")))
        }
        (Entry::Call, Offer::Tool) => None,
    })
}

/// Holds an answer against the form that MCP gives it.
fn fault_of_form<T: DeserializeOwned>(
    what: &str,
    answer: &Answer,
    check: impl FnOnce(&T) -> Result<(), ContentError>,
) -> Option<String> {
    let Answer::Json(text) = answer else {
        return Some(format!("a {what} cannot be answered with content"));
    };
    if text.get().len() > Schema::RESULT_VALUES_MAX && text.values() > Schema::RESULT_VALUES_MAX {
        return Some(format!("a {what} has {} values at most", Schema::RESULT_VALUES_MAX));
    }
    let fault = match serde_json::from_str::<T>(text.get()) {
        Ok(read) => check(&read).err()?.to_string(),
        Err(error) => error.to_string().chars().take(FAULT_CHARS_MAX).collect(),
    };
    Some(format!("what was answered is not a {what}: {fault}"))
}

/// What is wrong with an answer. Only here is a result taken apart.
async fn check_result(app: &App, answer: &Answer, schema: &Arc<Schema>) -> Vec<String> {
    let Some(json) = answer.structured() else {
        return vec!["it has content, and no `structured` result beside it".to_owned()];
    };
    schema.check_result(json, &app.large_results).await
}

fn failure(name: &str, message: String) -> Outcome {
    Outcome::ToolError(ToolFailure { name: name.to_owned(), message, line: None, column: None, stack: String::new() })
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Passes questions on, if there is anybody to ask.
async fn talk(dialogue: Option<&mut Dialogue<'_>>) -> Infallible {
    match dialogue {
        Some(dialogue) => dialogue.go_on().await,
        None => std::future::pending().await,
    }
}

impl From<Unfinished> for AppError {
    fn from(unfinished: Unfinished) -> Self {
        unfinished.error
    }
}

impl From<AppError> for Unfinished {
    /// What fails before there is a guest.
    fn from(error: AppError) -> Self {
        Self { error, began: false }
    }
}

impl From<InvokeError> for Unfinished {
    fn from(error: InvokeError) -> Self {
        let began = !matches!(error, InvokeError::Busy { .. } | InvokeError::Journal(_));
        Self { error: invoke_error(error), began }
    }
}

fn invoke_error(error: InvokeError) -> AppError {
    match error {
        InvokeError::Busy { .. } | InvokeError::NodeMemory => AppError::Busy { limit: None, retry_after_s: 1 },
        InvokeError::ShutDown => AppError::Unavailable { message: "this node is shutting down".to_owned() },
        InvokeError::Journal(mismatch) => AppError::Conflict { message: mismatch.to_string() },
        InvokeError::Internal(_) | InvokeError::Task(_) => AppError::internal("the sandbox could not run a tool", error),
    }
}
