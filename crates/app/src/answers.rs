//! What came of asking a server for what it offers besides tools.

use std::sync::Arc;

use domain::{Abilities, Answer, CallId, JsonText, Outcome, Receipt, Status, ToolInterface};
use sandbox::ResultMemory;
use serde::de::DeserializeOwned;

use crate::{AppError, calls::CallAnswer, limits::Standing};

/// What came of asking a server for a resource, a prompt or values.
#[derive(Debug, Clone)]
pub struct Answered<T> {
    /// The call; its record has this id.
    pub call_id: CallId,
    /// The interface of the version that was called.
    pub interface: Arc<ToolInterface>,
    /// What the call used.
    pub receipt: Receipt,
    /// What was asked for, or how the call ended otherwise.
    pub result: Result<T, Failed>,
    /// What a large result takes of the node's memory: to be kept until it has been sent.
    pub memory: Option<ResultMemory>,
    /// How many more calls the caller may make in this minute, where that was asked for.
    pub standing: Option<Standing>,
}

/// A call that did not bring what was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    /// The outcome's word: `invalid_arguments` if the asker is at fault, `invalid_result` if what was answered is not of the right form.
    pub status: Status,
    /// How it ended; never [`Outcome::Success`].
    pub outcome: Outcome,
    /// What the client brings back with its answers, where the outcome is [`Outcome::Asks`].
    pub state: Option<String>,
    /// What the code asked the client for in vain, since that had not declared it.
    pub lacked: Abilities,
}

impl<T: DeserializeOwned> Answered<T> {
    /// Reads the answer of a call whose result was judged (`guests`) to have this form.
    pub(crate) fn read(answer: CallAnswer) -> Result<Self, AppError> {
        let CallAnswer { call_id, outcome, status, interface, receipt, state, lacked, memory, standing } = answer;
        let result = match outcome {
            Outcome::Success(Answer::Json(text)) => Ok(read(&text)?),
            outcome => Err(Failed { status, outcome, state, lacked }),
        };
        Ok(Self { call_id, interface, receipt, result, memory, standing })
    }
}

fn read<T: DeserializeOwned>(text: &JsonText) -> Result<T, AppError> {
    serde_json::from_str(text.get()).map_err(|error| AppError::internal("cannot read a result that was judged right", error))
}
