//! What running tools ask the clients that called them, and how the answers come back.
//!
//! There are two ways, which the client's protocol decides. A client of 2025-11-25 is asked while the call runs: its guest waits, in memory
//! and without a thread, for [`Settings::question_wait_max`](crate::Settings::question_wait_max) at most (`dialogue`). A client of 2026-07-28
//! gets the questions as the answer of its request, and calls again: no guest waits, but all that it was told is kept as a journal, over which
//! the next run gets to where this one was (`rounds`).

mod channel;
mod desk;
mod dialogue;
mod pauses;
mod rounds;

use std::collections::BTreeMap;

use domain::{Abilities, Digest, Question, ServerId};
use serde_json::Value;
use tokio::sync::mpsc;

pub(crate) use self::{
    channel::{Channel, channel},
    desk::{Desk, Heard},
    dialogue::{Dialogue, Seat},
    pauses::{Pause, Pauses},
    rounds::{Beginning, Resumed, Round, Subject, Unanswered, give_back, keep},
};
use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    catalogue::ServedServer,
};

/// How the client of a call can be asked.
#[derive(Debug)]
pub enum Asking {
    /// Not at all, for this reason, which the tool is told.
    Nobody(&'static str),
    /// While the call runs.
    Live(LiveClient),
    /// By an answer to its request, upon which it asks again.
    Rounds(RoundsClient),
}

/// A client that is asked while its call runs.
#[derive(Debug)]
pub struct LiveClient {
    /// What it declared that it can be asked.
    pub can: Abilities,
    /// Its session, in which the answers must come.
    pub session: String,
    /// Where the questions go out. It needs room for [`LiveClient::OPEN_MAX`].
    pub questions: mpsc::Sender<OutgoingQuestion>,
}

/// A client that asks again.
#[derive(Debug, Default)]
pub struct RoundsClient {
    /// What it declared that it can be asked.
    pub can: Abilities,
    /// What it answered, by the keys of the questions; each is an object. What nobody asked is passed over.
    pub answers: BTreeMap<String, Value>,
    /// What the earlier answer said it should bring back; absent the first time.
    pub state: Option<String>,
}

/// A question on its way to a client.
#[derive(Debug, Clone)]
pub struct OutgoingQuestion {
    /// What the answer must be for: nobody can guess it, and it is good for this caller, server and session alone.
    pub id: String,
    /// What is asked.
    pub question: Question,
}

/// What a client answered to a question.
#[derive(Debug, Clone)]
pub enum ClientAnswer {
    /// The result.
    Result(Value),
    /// That it could not or would not, and why.
    Error {
        /// The kind of error.
        code: i64,
        /// In words.
        message: String,
    },
}

impl LiveClient {
    /// Questions of one call that go out at most.
    pub const OPEN_MAX: usize = Question::PER_CALL_MAX;
}

/// Hears what a client answers to the question `id`, in a session of server `server`. The call that waits for it may be on another node. Whatever is
/// wrong with the id, the answer is the same: nobody learns from it what is asked of others.
pub async fn answer(
    app: &App,
    caller: &Caller,
    server: &ServedServer,
    session: &str,
    id: &str,
    answer: ClientAnswer,
) -> Result<(), AppError> {
    access::require_use(caller, Operation::AnswerQuestion)?;
    let unknown = || AppError::not_found("question", "with this id that waits for an answer of this client");
    let party = Party { caller, server: server.server_id, session };
    let question = desk::read_id(app, &party, id).ok_or_else(unknown)?;
    let heard = Heard::from(answer);
    let is_heard = if question.node == app.settings.node {
        app.memory.questions.deliver(question.id, heard)
    } else {
        desk::pass_on(app, question.id, &heard).await?
    };
    if is_heard { Ok(()) } else { Err(unknown()) }
}

/// How the client of a request can be asked, looked through.
#[derive(Debug)]
pub(crate) enum Means {
    Nobody(&'static str),
    Live(LiveClient),
    Round(Round),
}

impl Means {
    /// Refused if the client brings back a state that is not good for this request.
    pub(crate) fn of(
        app: &App,
        caller: &Caller,
        server: &ServedServer,
        asking: Asking,
        subject: Subject<'_>,
    ) -> Result<Self, AppError> {
        match asking {
            Asking::Nobody(reason) => Ok(Self::Nobody(reason)),
            Asking::Live(client) => Ok(Self::Live(client)),
            Asking::Rounds(client) => Round::open(app, caller, server, client, subject).map(Self::Round),
        }
    }
}

/// Who may answer a question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Party<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) server: ServerId,
    pub(crate) session: &'a str,
}

impl Party<'_> {
    fn digest(&self) -> Digest {
        Digest::of_parts([
            self.caller.identity().to_bytes().as_slice(),
            self.server.as_uuid().as_bytes(),
            self.session.as_bytes(),
        ])
    }
}
