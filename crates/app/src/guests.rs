//! One run of a tool's code, from arguments to a judged result: what calls, tries and examples have in common.

use std::{sync::Arc, time::Instant};

use domain::{
    Answer, Completion, ContentError, CustomerId, LimitExceeded, LimitName, LogLine, Offer, Outcome, PromptAnswer, Receipt,
    ResourceAnswer, Status, Tier, ToolFailure,
};
use sandbox::{CallLimits, Entry, Invocation, InvokeError, Invoked, Questions, Report};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{App, AppError, artifacts::Ready, catalogue::ServedTool, limits::Permit, outside, schemas::Schema};

/// Reports that wait to be passed on. A tool that reports faster loses reports, not time.
const REPORTS_MAX: usize = 16;

/// Values of a result that is held against a schema: about 20 MB as a tree.
const RESULT_VALUES_MAX: usize = 200_000;

/// Characters of a parser's message: it may repeat what was answered.
const FAULT_CHARS_MAX: usize = 240;

/// Arguments that a tool takes.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// A JSON object.
    text: String,
}

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: Status,
    pub(crate) outcome: Outcome,
    /// Absent if nothing ran.
    pub(crate) receipt: Option<Receipt>,
    pub(crate) log: Vec<LogLine>,
}

/// A place for a call, and how long it was waited for.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: Permit,
    pub(crate) queue_us: u64,
}

/// Checks `given` against the tool's input schema; what is wrong comes as the end of the run.
pub(crate) async fn check_arguments(tool: &ServedTool, given: Value) -> Result<Arguments, Box<Finished>> {
    if !given.is_object() {
        let message = format!("the arguments must be a JSON object, not {}", kind_of(&given));
        return Err(Box::new(Finished::invalid_arguments(message)));
    }
    let text = given.to_string();
    let (_, violations) = tool.input.check(given, text.len()).await;
    if violations.is_empty() {
        return Ok(Arguments { text });
    }
    let message = format!("the arguments do not match the tool's input schema: {}", violations.join("; "));
    Err(Box::new(Finished::invalid_arguments(message)))
}

/// Waits for one of the customer's places.
pub(crate) async fn take_place(app: &App, customer: CustomerId, tier: &Tier) -> Result<Place, AppError> {
    let limits = &tier.limits;
    let began = Instant::now();
    let wait_max = std::time::Duration::from_millis(limits.queue_wait_ms_max.into());
    let permit = app.permits.take(customer, limits.concurrent_calls_max, wait_max).await.map_err(|_| AppError::Busy {
        limit: Some(LimitExceeded {
            limit: LimitName::ConcurrentCallsMax,
            value: limits.concurrent_calls_max.into(),
            tier: tier.name.clone(),
        }),
        retry_after_s: 1,
    })?;
    let queue_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(Place { _permit: permit, queue_us })
}

/// Runs the code and judges its result. `report` hears what it says meanwhile; no database connection is held meanwhile.
pub(crate) async fn run(
    app: &App,
    tool: &ServedTool,
    ready: &Ready,
    run: Run<'_>,
    mut report: impl FnMut(Report),
) -> Result<Finished, AppError> {
    let outbound = match outside::open(app, tool, run.tier) {
        Ok(outbound) => outbound,
        Err(limit) => return Ok(Finished::beyond(limit)),
    };
    let (sender, mut reports) = mpsc::channel(REPORTS_MAX);
    let invocation = Invocation {
        arguments: run.arguments.text,
        environment: Arc::clone(&tool.environment),
        limits: CallLimits::from(run.tier),
        entry: run.entry,
        outbound,
        reports: Some(sender),
        receipts: run.receipts,
        questions: Questions::default(),
        cancelled: run.cancelled,
        queue_us: run.place.queue_us,
        digest: ready.digest,
    };
    let invoking = app.sandbox.invoke(&ready.code, invocation);
    tokio::pin!(invoking);
    let invoked = loop {
        tokio::select! {
            biased;
            Some(reported) = reports.recv() => report(reported),
            invoked = &mut invoking => break invoked.map_err(invoke_error)?,
        }
    };
    while let Ok(reported) = reports.try_recv() {
        report(reported);
    }
    // The guest is gone: its place is free while the result is looked at.
    drop(run.place);
    Ok(judge(tool, run.entry, invoked).await)
}

/// What a run is given.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) tier: &'a Tier,
    pub(crate) entry: Entry,
    pub(crate) arguments: Arguments,
    pub(crate) place: Place,
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
        Self { status: Status::Cancelled, outcome: Outcome::Cancelled, receipt: None, log: Vec::new() }
    }

    /// Its tier does not let it run.
    fn beyond(limit: LimitExceeded) -> Self {
        Self { status: Status::LimitExceeded, outcome: Outcome::LimitExceeded(limit), receipt: None, log: Vec::new() }
    }

    fn invalid_arguments(message: String) -> Self {
        let outcome = failure("InvalidArguments", message);
        Self { status: Status::InvalidArguments, outcome, receipt: None, log: Vec::new() }
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
async fn judge(tool: &ServedTool, entry: Entry, invoked: Invoked) -> Finished {
    let Invoked { mut outcome, receipt, log, .. } = invoked;
    let mut status = outcome.status();
    if let (Status::Success, Outcome::Success(answer)) = (status, &outcome)
        && let Some(message) = find_fault(tool, entry, answer).await
    {
        status = Status::InvalidResult;
        outcome = failure("InvalidResult", message);
    }
    Finished { status, outcome, receipt: Some(receipt), log }
}

/// What is wrong with an answer; nothing, if it is as it must be.
async fn find_fault(tool: &ServedTool, entry: Entry, answer: &Answer) -> Option<String> {
    match (entry, &tool.interface.offer) {
        (Entry::Complete, _) => fault_of_form("completion", answer, Completion::check),
        (Entry::Call, Offer::Resource(_)) => fault_of_form("resource", answer, ResourceAnswer::check),
        (Entry::Call, Offer::Prompt(_)) => fault_of_form("prompt", answer, PromptAnswer::check),
        (Entry::Call, Offer::Tool) => {
            let violations = check_result(answer, tool.output.as_ref()?).await;
            (!violations.is_empty())
                .then(|| format!("the tool's result does not match its own output schema: {}", violations.join("; ")))
        }
    }
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
    let fault = match serde_json::from_str::<T>(text.get()) {
        Ok(read) => check(&read).err()?.to_string(),
        Err(error) => error.to_string().chars().take(FAULT_CHARS_MAX).collect(),
    };
    Some(format!("what was answered is not a {what}: {fault}"))
}

/// What is wrong with an answer. Only here is a result taken apart: as a tree it needs up to eighty times the memory of its text.
async fn check_result(answer: &Answer, schema: &Arc<Schema>) -> Vec<String> {
    let Some(json) = answer.structured() else {
        return vec!["it has content, and no `structured` result beside it".to_owned()];
    };
    if json.get().len() > RESULT_VALUES_MAX && json.values() > RESULT_VALUES_MAX {
        return vec![format!("it has more than {RESULT_VALUES_MAX} values, which are too many to be checked")];
    }
    schema.check(json.to_value(), json.get().len()).await.1
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

fn invoke_error(error: InvokeError) -> AppError {
    match error {
        InvokeError::Busy { .. } | InvokeError::NodeMemory => AppError::Busy { limit: None, retry_after_s: 1 },
        InvokeError::ShutDown => AppError::Unavailable { message: "this node is shutting down".to_owned() },
        InvokeError::Journal(mismatch) => AppError::Conflict { message: mismatch.to_string() },
        InvokeError::Internal(_) | InvokeError::Task(_) => AppError::internal("the sandbox could not run a tool", error),
    }
}
