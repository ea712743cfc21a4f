//! Questions to the client, which are operations like others.

use std::sync::Arc;

use domain::{Abilities, OpenQuestion, Question, QuestionAnswer, QuestionError, QuestionKey, QuestionKind};
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
    key: Option<String>,
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

    /// Counts a question of an earlier run.
    pub(super) const fn count(&mut self) {
        self.asked += 1;
    }

    /// Whether the client can be asked; the error says why not.
    fn check(&mut self, question: &Question) -> Result<(), String> {
        let can = match &self.questions {
            Questions::Refused(reason) => return Err((*reason).to_owned()),
            Questions::Live(live) => live.can,
            Questions::Recorded(recording) => recording.can,
        };
        if self.asked >= Question::PER_CALL_MAX {
            return Err(format!("a call may ask its client {} questions, and this was one more", Question::PER_CALL_MAX));
        }
        self.count();
        let lack = can.lack_of(question.needs());
        self.lacked = self.lacked.and(lack);
        match lack.iter().next() {
            None => Ok(()),
            Some(missing) => Err(missing.lack()),
        }
    }
}

/// Puts a question; the error is what is wrong with it. That nobody can answer it is told by `wait`.
pub(super) fn ask(guest: &mut StoreContextMut<'_, GuestState>, ask: &Ask<'_>) -> Result<Result<u32, String>, Fault> {
    let state = guest.data_mut();
    let (question, key) = match read(state, ask) {
        Ok(read) => read,
        Err(error) => return Ok(Err(refusal(&error.to_string()))),
    };
    let operation = state.operations.next_handle()?;
    let open = OpenQuestion { key: key.unwrap_or_else(|| QuestionKey::of_operation(operation)), operation, question };
    if let Err(reason) = put(state, open) {
        state.operations.refuse(operation, reason);
    }
    Ok(Ok(operation))
}

fn read(state: &GuestState, ask: &Ask<'_>) -> Result<(Question, Option<QuestionKey>), QuestionError> {
    let key = ask.key.as_deref().map(QuestionKey::of_tool).transpose()?;
    // What the client is shown leaves the call.
    Ok((Question::parse(ask.kind, &state.outside.mask(ask.params.get()))?, key))
}

/// Begins to wait for an answer, or has one. The error says why there will be none.
fn put(state: &mut GuestState, open: OpenQuestion) -> Result<(), String> {
    state.client.check(&open.question)?;
    match &mut state.client.questions {
        Questions::Refused(reason) => Err((*reason).to_owned()),
        Questions::Live(live) => {
            let operation = open.operation;
            let answer = pass_on(live, &state.client.places, open)?;
            state.operations.ask(operation, answer);
            Ok(())
        }
        Questions::Recorded(recording) => {
            let answered = recording.ahead.remove(&open.key);
            if let Some(answer) = answered.and_then(|answer| QuestionAnswer::read(&open.question, &answer).ok()) {
                state.operations.answer(open.operation, &answer);
                return Ok(());
            }
            if state.operations.questions().any(|other| other.key == open.key) {
                return Err(format!("another question that waits has the key `{}`", open.key));
            }
            hold(state, &open.question)?;
            state.operations.keep(open);
            Ok(())
        }
    }
}

/// Makes room for a question in the journal.
fn hold(state: &mut GuestState, question: &Question) -> Result<(), String> {
    if let Some(tape) = &mut state.tape {
        tape.hold(question);
    }
    journal::why_unsuspendable(state).map_or(Ok(()), |reason| Err(reason.to_owned()))
}

/// Passes a question on; gives what waits for its answer.
fn pass_on(
    live: &LiveQuestions,
    places: &Arc<Semaphore>,
    open: OpenQuestion,
) -> Result<impl Future<Output = Result<String, String>> + Send + 'static, String> {
    let place = places
        .clone()
        .try_acquire_owned()
        .map_err(|_| "as many calls of this node wait for their clients as may: try again later".to_owned())?;
    let (sender, answer) = oneshot::channel();
    let OpenQuestion { key, question, .. } = open;
    let asked = Asked { key, question, answer: sender };
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
