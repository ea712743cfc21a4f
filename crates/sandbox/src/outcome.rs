//! From what a guest did to the outcome of its call.

use domain::{Answer, ContentAnswer, JsonText, Outcome, ToolFailure};
use wasmtime::{Store, Trap, component::WasmStr};

use crate::{
    InvokeError,
    footprint::Refusal,
    host::{Fault, cut},
    invocable::{Broken, GuestAnswer, GuestFailure, GuestResult},
    invocation::CallLimit,
    state::GuestState,
};

/// Bounds on what a tool says of its failure.
const NAME_BYTES_MAX: usize = 256;
const MESSAGE_BYTES_MAX: usize = 8 * 1024;
const STACK_BYTES_MAX: usize = 16 * 1024;
/// A broken guest is told by one line.
const TRAP_BYTES_MAX: usize = 256;

/// An outcome, and the bytes of the result that led to it.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) output_bytes: u64,
}

impl Ended {
    pub(crate) fn without_output(outcome: Outcome) -> Self {
        Self { outcome, output_bytes: 0 }
    }
}

/// The outcome of a guest that came to an answer.
pub(crate) fn of_answer(store: &Store<GuestState>, answer: &GuestAnswer) -> Result<Ended, InvokeError> {
    match answer {
        Ok(result) => Ok(of_result(store, result)),
        Err(failure) => match refused(store, || is_out_of_memory(store, failure)) {
            Some(ended) => ended,
            None => Ok(Ended::without_output(of_failure(store, failure))),
        },
    }
}

/// The outcome of a guest that did not come to an answer.
pub(crate) fn of_broken(store: &Store<GuestState>, broken: Broken) -> Result<Ended, InvokeError> {
    let (Broken::Start(error) | Broken::Call(error)) = &broken;
    let trap = error.downcast_ref::<Trap>().copied();
    let limits = &store.data().limits;
    if trap == Some(Trap::OutOfFuel) {
        return Ok(Ended::without_output(Outcome::LimitExceeded(limits.exceeded(CallLimit::Fuel))));
    }
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return Ok(Ended::without_output(match fault {
            Fault::HostCalls => Outcome::LimitExceeded(limits.exceeded(CallLimit::HostCalls)),
            fault => Outcome::Trap(fault.to_string()),
        }));
    }
    if let Some(ended) = refused(store, || false) {
        return ended;
    }
    match (trap, broken) {
        (Some(trap), _) => Ok(Ended::without_output(Outcome::Trap(trap.to_string()))),
        // What remains is the guest's breach of the component model's rules: a text that is not UTF-8, a pointer out of bounds.
        (None, Broken::Call(error)) => {
            let reason = error.root_cause().to_string();
            Ok(Ended::without_output(Outcome::Trap(cut(&reason, TRAP_BYTES_MAX).to_owned())))
        }
        (None, Broken::Start(error)) => Err(InvokeError::Internal(error)),
    }
}

/// A call that failed after memory was refused failed for want of memory, whatever it says itself.
fn refused(store: &Store<GuestState>, is_out_of_memory: impl FnOnce() -> bool) -> Option<Result<Ended, InvokeError>> {
    let state = store.data();
    let of_tier = || Ended::without_output(Outcome::LimitExceeded(state.limits.exceeded(CallLimit::Memory)));
    match state.footprint.refusal() {
        Some(Refusal::Node) => Some(Err(InvokeError::NodeMemory)),
        Some(Refusal::Tier) => Some(Ok(of_tier())),
        None => is_out_of_memory().then(|| Ok(of_tier())),
    }
}

fn of_result(store: &Store<GuestState>, result: &GuestResult) -> Ended {
    let (GuestResult::Json(text) | GuestResult::Content(text)) = result;
    let text = match text.to_str(store) {
        Ok(text) => text,
        Err(error) => return Ended::without_output(Outcome::Trap(error.to_string())),
    };
    let limits = &store.data().limits;
    let output_bytes = text.len() as u64;
    let outcome = if output_bytes > limits.output_bytes_max {
        Outcome::LimitExceeded(limits.exceeded(CallLimit::Output))
    } else {
        let read = match result {
            GuestResult::Json(_) => JsonText::new(text.as_ref()).map(Answer::Json).map_err(|error| error.to_string()),
            GuestResult::Content(_) => read_content(&text).map(Answer::Content),
        };
        read.map_or_else(|error| Outcome::ToolError(invalid_result(&error)), Outcome::Success)
    };
    Ended { outcome, output_bytes }
}

fn read_content(text: &str) -> Result<ContentAnswer, String> {
    let content: ContentAnswer = serde_json::from_str(text).map_err(|error| error.to_string())?;
    content.check().map_err(|error| error.to_string())?;
    Ok(content)
}

fn invalid_result(error: &str) -> ToolFailure {
    ToolFailure {
        name: "InvalidResult".into(),
        message: format!("the result cannot be sent as JSON: {error}"),
        line: None,
        column: None,
        stack: String::new(),
    }
}

fn of_failure(store: &Store<GuestState>, failure: &GuestFailure) -> Outcome {
    match tell(store, failure) {
        Ok(failure) => Outcome::ToolError(failure),
        Err(error) => Outcome::Trap(error.to_string()),
    }
}

fn tell(store: &Store<GuestState>, failure: &GuestFailure) -> wasmtime::Result<ToolFailure> {
    let take = |text: &WasmStr, bytes_max| text.to_str(store).map(|text| cut(&text, bytes_max).to_owned());
    let known = |number| Some(number).filter(|number| *number > 0);
    Ok(ToolFailure {
        name: take(&failure.name, NAME_BYTES_MAX)?,
        message: take(&failure.message, MESSAGE_BYTES_MAX)?,
        line: known(failure.line),
        column: known(failure.column),
        stack: take(&failure.stack, STACK_BYTES_MAX)?,
    })
}

/// The engine's own limit lies a little below the tier's, so that it can still throw: then no growth is refused.
fn is_out_of_memory(store: &Store<GuestState>, failure: &GuestFailure) -> bool {
    let says = |text: &WasmStr, expected: &str| text.to_str(store).is_ok_and(|text| text == expected);
    says(&failure.name, "InternalError") && says(&failure.message, "out of memory")
}
