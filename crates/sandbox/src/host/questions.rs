//! Questions to the client, which are operations like others.

use std::sync::Arc;

use domain::{Abilities, Question, QuestionKey, QuestionKind};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc::error::TrySendError, oneshot};
use wasmtime::StoreContextMut;

use super::{Fault, refusal};
use crate::{Asked, LiveQuestions, QuestionFault, Questions, journal, state::GuestState};

/// `ask` of `start`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask<'a> {
    #[serde(rename = "op")]
    _op: &'a str,
    kind: QuestionKind,
    #[serde(borrow)]
    params: &'a RawValue,
}

/// The client of one call, as its guest knows it.
#[derive(Debug)]
pub(crate) struct Client {
    questions: Questions,
    /// Places of the node for guests that wait for their clients.
    places: Arc<Semaphore>,
    asked: usize,
    lacked: Abilities,
}

impl Client {
    pub(crate) fn new(questions: Questions, places: Arc<Semaphore>) -> Self {
        Self { questions, places, asked: 0, lacked: Abilities::default() }
    }

    /// What the guest asked for in vain.
    pub(crate) const fn lacked(&self) -> Abilities {
        self.lacked
    }

    /// Whether a guest that waits for its client ends, to be run again.
    pub(super) const fn is_recorded(&self) -> bool {
        matches!(self.questions, Questions::Recorded(_))
    }

    fn can(&self) -> Result<Abilities, &'static str> {
        match &self.questions {
            Questions::Refused(reason) => Err(reason),
            Questions::Live(live) => Ok(live.can),
            Questions::Recorded(recording) => Ok(recording.can),
        }
    }

    /// Why the question cannot be put.
    fn find_hindrance(&mut self, question: &Question) -> Option<String> {
        let can = match self.can() {
            Ok(can) => can,
            Err(reason) => return Some(reason.to_owned()),
        };
        if self.asked >= Question::PER_CALL_MAX {
            return Some(format!("a call may ask its client {} questions, and this was one more", Question::PER_CALL_MAX));
        }
        self.asked += 1;
        let lack = can.lack_of(question.needs());
        self.lacked = self.lacked.and(lack);
        let missing = lack.iter().next()?;
        Some(format!("the client cannot be asked this: it has not declared the capability `{}`", missing.capability()))
    }
}

/// Puts a question; the error is what is wrong with it. That nobody can answer it is told by `wait`.
pub(super) fn ask(guest: &mut StoreContextMut<'_, GuestState>, ask: &Ask<'_>) -> Result<Result<u32, String>, Fault> {
    let state = guest.data_mut();
    // What the client is shown leaves the call.
    let question = match Question::parse(ask.kind, &state.outside.mask(ask.params.get())) {
        Ok(question) => question,
        Err(error) => return Ok(Err(refusal(&error.to_string()))),
    };
    let handle = state.operations.next_handle()?;
    if let Some(reason) = state.client.find_hindrance(&question) {
        state.operations.refuse(handle, reason);
    } else if let Questions::Live(live) = &state.client.questions {
        match begin(live, &state.client.places, handle, question) {
            Ok(waiting) => state.operations.ask(handle, waiting),
            Err(reason) => state.operations.refuse(handle, reason),
        }
    } else if let Some(reason) = hold(state, &question) {
        state.operations.refuse(handle, reason.to_owned());
    } else {
        state.operations.ask_again(QuestionKey::new(handle), question);
    }
    Ok(Ok(handle))
}

/// Makes room for a question in the journal. Why there is none.
fn hold(state: &mut GuestState, question: &Question) -> Option<&'static str> {
    if let Some(tape) = &mut state.tape {
        tape.hold(question);
    }
    journal::why_unsuspendable(state)
}

/// Passes a question on; gives what waits for its answer.
fn begin(
    live: &LiveQuestions,
    places: &Arc<Semaphore>,
    handle: u32,
    question: Question,
) -> Result<impl Future<Output = Result<String, String>> + Send + 'static, String> {
    let place = places
        .clone()
        .try_acquire_owned()
        .map_err(|_| "as many calls of this node wait for their clients as may: try again later".to_owned())?;
    let (sender, answer) = oneshot::channel();
    let asked = Asked { key: QuestionKey::new(handle), question, answer: sender };
    live.asked.try_send(asked).map_err(|error| match error {
        TrySendError::Full(_) => "too many questions of this call wait for their client".to_owned(),
        TrySendError::Closed(_) => GONE.to_owned(),
    })?;
    let wait_max = live.wait_max;
    Ok(async move {
        let waited = tokio::time::timeout(wait_max, answer).await;
        drop(place);
        match waited {
            Ok(Ok(Ok(answer))) => Ok(answer.json().get().to_owned()),
            Ok(Ok(Err(fault))) => Err(told(&fault)),
            Ok(Err(_)) => Err(GONE.to_owned()),
            Err(_) => Err(format!("the client has not answered within {} seconds", wait_max.as_secs())),
        }
    })
}

const GONE: &str = "the client that could answer is gone";

fn told(fault: &QuestionFault) -> String {
    refusal(&fault.to_string())
}
