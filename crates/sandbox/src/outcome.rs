//! From what a guest did to the outcome of its call.

use std::borrow::Cow;

use domain::{Answer, ContentAnswer, JsonText, Outcome, ToolFailure};
use serde::Deserialize;
use serde_json::value::RawValue;
use wasmtime::{Store, Trap};

use crate::{
    InvokeError,
    component::TOO_MUCH_COPIED,
    footprint::Refusal,
    host::Fault,
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

/// Blocks of content in one answer: a client shows them one below the other.
const BLOCKS_MAX: usize = 256;
/// Values in all blocks together: as a tree, which `_meta` becomes, each takes a hundred bytes or so.
const BLOCK_VALUES_MAX: usize = 20_000;

/// What is said of a guest that gives the host more than `store.set_hostcall_fuel` lets it.
const TOO_MUCH_AT_ONCE: &str =
    "the guest gave more bytes to one function of the host, or as its answer, than the host takes at once";

/// What a guest's answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// Any JSON.
    Json,
    /// A [`ContentAnswer`].
    Content,
}

/// What a guest says of its failure, uncut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure<'a> {
    pub(crate) name: &'a str,
    pub(crate) message: &'a str,
    /// From 1; 0 if it is not known.
    pub(crate) line: u32,
    /// From 1; 0 if it is not known.
    pub(crate) column: u32,
    pub(crate) stack: &'a str,
}

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
        Err(failure) => match refused(store) {
            Some(ended) => ended,
            None => Ok(Ended::without_output(
                tell(store, failure).unwrap_or_else(|error| broken_by(store.data(), &error.to_string())),
            )),
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
            Fault::EgressBytes => Outcome::LimitExceeded(limits.exceeded(CallLimit::EgressBytes)),
            Fault::Asks => Outcome::Asks(store.data().tape.as_ref().map(|tape| tape.open_questions()).unwrap_or_default()),
            fault => Outcome::Trap(fault.to_string()),
        }));
    }
    if let Some(ended) = refused(store) {
        return ended;
    }
    match (trap, broken) {
        (Some(trap), _) => Ok(Ended::without_output(Outcome::Trap(trap.to_string()))),
        // What remains is the guest's breach of the component model's rules: a text that is not UTF-8, a pointer out of bounds.
        (None, Broken::Call(error)) => {
            let reason = error.root_cause().to_string();
            let reason = if reason.contains(TOO_MUCH_COPIED) { TOO_MUCH_AT_ONCE } else { &reason };
            Ok(Ended::without_output(broken_by(store.data(), reason)))
        }
        (None, Broken::Start(error)) => Err(InvokeError::Internal(error)),
    }
}

/// A call that failed after memory was refused failed for want of memory, whatever it says itself. The JavaScript engine's own limit lies a
/// little below the tier's, so that it can still throw: there it asks for more than there is, and only that counts.
fn refused(store: &Store<GuestState>) -> Option<Result<Ended, InvokeError>> {
    let state = store.data();
    match state.footprint.refusal() {
        Some(Refusal::Node) => Some(Err(InvokeError::NodeMemory)),
        Some(Refusal::Tier) => Some(Ok(Ended::without_output(Outcome::LimitExceeded(state.limits.exceeded(CallLimit::Memory))))),
        None => None,
    }
}

fn of_result(store: &Store<GuestState>, result: &GuestResult) -> Ended {
    let (kind, text) = match result {
        GuestResult::Json(text) => (AnswerKind::Json, text),
        GuestResult::Content(text) => (AnswerKind::Content, text),
    };
    match text.to_str(store) {
        Ok(text) => of_text(store.data(), kind, &text),
        Err(error) => Ended::without_output(broken_by(store.data(), &error.to_string())),
    }
}

/// The outcome of a guest that answered with `text`: bounded, checked, without values of secrets.
pub(crate) fn of_text(state: &GuestState, kind: AnswerKind, text: &str) -> Ended {
    let output_bytes = text.len() as u64;
    if output_bytes > state.limits.output_bytes_max {
        return Ended { outcome: Outcome::LimitExceeded(state.limits.exceeded(CallLimit::Output)), output_bytes };
    }
    let masked = state.outside.mask(text);
    let read = match kind {
        AnswerKind::Json => JsonText::new(masked.as_ref()).map(Answer::Json).map_err(|error| error.to_string()),
        AnswerKind::Content => read_content(&masked).map(Answer::Content),
    };
    let outcome = read.map_or_else(
        |reason| {
            // A secret that stood as a number leaves no JSON behind.
            let hint = if matches!(masked, Cow::Owned(_)) { ", after a secret in it was masked" } else { "" };
            let message = format!("the result cannot be sent as JSON{hint}: {reason}");
            of_failure(state, &Failure { name: "InvalidResult", message: &message, line: 0, column: 0, stack: "" })
        },
        Outcome::Success,
    );
    Ended { outcome, output_bytes }
}

fn read_content(text: &str) -> Result<ContentAnswer, String> {
    #[derive(Deserialize)]
    struct Outline<'a> {
        #[serde(borrow)]
        content: Vec<&'a RawValue>,
    }

    let outline: Outline<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let blocks = outline.content.len();
    if blocks > BLOCKS_MAX {
        return Err(format!("it has {blocks} blocks of content, and may have {BLOCKS_MAX}"));
    }
    let values = outline.content.iter().map(|block| JsonText::new(block.get()).map_or(0, |block| block.values())).sum::<usize>();
    if values > BLOCK_VALUES_MAX {
        return Err(format!("its content has {values} values, and may have {BLOCK_VALUES_MAX}"));
    }
    let content: ContentAnswer = serde_json::from_str(text).map_err(|error| error.to_string())?;
    content.check().map_err(|error| error.to_string())?;
    Ok(content)
}

/// The outcome of a guest that says that it failed: its texts cut, and without values of secrets.
pub(crate) fn of_failure(state: &GuestState, failure: &Failure<'_>) -> Outcome {
    let shown = |text, bytes_max| state.outside.mask_beginning(text, bytes_max);
    let known = |number| Some(number).filter(|number| *number > 0);
    Outcome::ToolError(ToolFailure {
        name: shown(failure.name, NAME_BYTES_MAX),
        message: shown(failure.message, MESSAGE_BYTES_MAX),
        line: known(failure.line),
        column: known(failure.column),
        stack: shown(failure.stack, STACK_BYTES_MAX),
    })
}

fn broken_by(state: &GuestState, reason: &str) -> Outcome {
    Outcome::Trap(state.outside.mask_beginning(reason, TRAP_BYTES_MAX))
}

fn tell(store: &Store<GuestState>, failure: &GuestFailure) -> wasmtime::Result<Outcome> {
    let (name, message, stack) = (failure.name.to_str(store)?, failure.message.to_str(store)?, failure.stack.to_str(store)?);
    let failure = Failure { name: &name, message: &message, line: failure.line, column: failure.column, stack: &stack };
    Ok(of_failure(store.data(), &failure))
}
