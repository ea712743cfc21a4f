//! The questions of this node's calls that wait for answers, and answers for those of other nodes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;
use domain::QuestionId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::changes::Change;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::{ClientAnswer, Party};
use crate::{
    App, AppError,
    seals::{self, SealedFor},
};

const PURPOSE: &str = "a question to a client";
/// What the row of an answer is sealed as.
const ANSWER: &[u8] = b"an answer to a question";
/// Characters of a client's own words about why it did not answer.
const ERROR_CHARS_MAX: usize = 300;

/// The questions of this node's calls that wait for answers.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<HashMap<QuestionId, Waiting>>);

#[derive(Debug)]
struct Waiting {
    heard: oneshot::Sender<Heard>,
    /// Rung when another node may have heard the answer.
    bell: Arc<Notify>,
}

/// A question that waits; it is forgotten when this is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    desk: Arc<Desk>,
    id: QuestionId,
    heard: oneshot::Receiver<Heard>,
    bell: Arc<Notify>,
}

/// What a client answered, or why it did not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Heard {
    Result(Value),
    Error(String),
}

/// What the id of a question says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QuestionPlace {
    /// Where its call waits.
    pub(super) node: Uuid,
    pub(super) id: QuestionId,
}

impl Desk {
    /// Waits for an answer from now on.
    pub(super) fn wait(self: &Arc<Self>, id: QuestionId) -> Ticket {
        let (sender, heard) = oneshot::channel();
        let bell = Arc::new(Notify::new());
        self.lock().insert(id, Waiting { heard: sender, bell: Arc::clone(&bell) });
        Ticket { desk: Arc::clone(self), id, heard, bell }
    }

    /// Hands over an answer; `false` if nobody waits for it.
    pub(super) fn deliver(&self, id: QuestionId, heard: Heard) -> bool {
        let waiting = self.lock().remove(&id);
        waiting.is_some_and(|waiting| waiting.heard.send(heard).is_ok())
    }

    /// Has those look whom `change` may concern.
    pub(crate) fn hear(&self, change: &Change) {
        match change {
            Change::Answer(id) => self.lock().get(id).iter().for_each(|waiting| waiting.bell.notify_one()),
            Change::Lost => self.lock().values().for_each(|waiting| waiting.bell.notify_one()),
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QuestionId, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The answer, on whichever node it was heard; never, if there is none.
    pub(super) async fn heard(mut self, app: &App) -> Heard {
        loop {
            tokio::select! {
                heard = &mut self.heard => match heard {
                    Ok(heard) => return heard,
                    Err(_) => std::future::pending().await,
                },
                () = self.bell.notified() => match take_passed_on(app, self.id).await {
                    Ok(Some(heard)) => return heard,
                    Ok(None) => {}
                    // Another bell will ring when the database is back.
                    Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot read an answer that another node heard"),
                },
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.desk.lock().remove(&self.id);
    }
}

impl From<ClientAnswer> for Heard {
    fn from(answer: ClientAnswer) -> Self {
        match answer {
            ClientAnswer::Result(result) => Self::Result(result),
            ClientAnswer::Error { code, message } => {
                let message: String = message.chars().take(ERROR_CHARS_MAX).collect();
                Self::Error(format!("it says {message} ({code})"))
            }
        }
    }
}

/// The id by which a client knows a question: sealed, so that it is ours, bound to who may answer, and says where its call waits.
pub(super) fn write_id(app: &App, party: &Party<'_>, id: QuestionId) -> Result<String, AppError> {
    let place = [app.settings.node.as_bytes().as_slice(), id.as_uuid().as_bytes()].concat();
    let until = app.clock.now() + answer_time(app);
    seals::seal(app, SealedFor { purpose: PURPOSE, bound_to: party.digest().as_bytes() }, until, &place)
}

/// Where the question of that id waits; nothing, if it is none of this party's, or its time is over.
pub(super) fn read_id(app: &App, party: &Party<'_>, id: &str) -> Option<QuestionPlace> {
    let place = seals::open(app, SealedFor { purpose: PURPOSE, bound_to: party.digest().as_bytes() }, id)?;
    let (node, id) = place.split_at_checked(16)?;
    let id = QuestionId::from_uuid(Uuid::from_slice(id).ok()?);
    Some(QuestionPlace { node: Uuid::from_slice(node).ok()?, id })
}

/// Keeps an answer for another node, which is told of it by a notice; `false` if there is one already.
pub(super) async fn pass_on(app: &App, id: QuestionId, heard: &Heard) -> Result<bool, AppError> {
    let failed =
        |error: Box<dyn std::error::Error + Send + Sync>| AppError::internal("cannot seal an answer for another node", error);
    let plain = serde_json::to_vec(heard).map_err(|error| failed(error.into()))?;
    let sealed = app.row_key.seal_bytes(&[ANSWER, id.as_uuid().as_bytes()], &plain).map_err(|error| failed(error.into()))?;
    let expires_at = app.clock.now() + answer_time(app);
    let inserting = async { store::question_answers::insert(&mut *app.pool.acquire().await?, id, &sealed, expires_at).await };
    Ok(app.outage.while_there(inserting).await?)
}

async fn take_passed_on(app: &App, id: QuestionId) -> Result<Option<Heard>, AppError> {
    let taking = async { store::question_answers::take(&mut *app.pool.acquire().await?, id).await };
    let Some(sealed) = app.outage.while_there(taking).await? else { return Ok(None) };
    let failed =
        |error: Box<dyn std::error::Error + Send + Sync>| AppError::internal("cannot open an answer of another node", error);
    let plain = app.row_key.open_bytes(&[ANSWER, id.as_uuid().as_bytes()], &sealed).map_err(|error| failed(error.into()))?;
    serde_json::from_slice(&plain).map(Some).map_err(|error| failed(error.into()))
}

/// A moment longer than a call waits.
fn answer_time(app: &App) -> TimeDelta {
    TimeDelta::from_std(app.settings.question_wait_max).unwrap_or(TimeDelta::MAX / 2) + TimeDelta::seconds(1)
}
