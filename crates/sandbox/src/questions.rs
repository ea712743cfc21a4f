//! How a guest's questions reach its client.

use std::{collections::BTreeMap, time::Duration};

use domain::{Abilities, Digest, Journal, Question, QuestionAnswer, QuestionKey, VersionId};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// What becomes of the questions that a tool asks its client.
#[derive(Debug, Clone)]
pub enum Questions {
    /// There is nobody to ask, and why: the tool is told, and can go on.
    Refused(&'static str),
    /// They are passed on while the guest waits. The call's clock stands still for as long as it waits for nothing else.
    Live(LiveQuestions),
    /// The call is recorded; a guest that waits for answers and for nothing else ends with [`domain::Outcome::Asks`], and is run again over its
    /// journal with the answers.
    Recorded(Box<Recording>),
}

/// Questions that are passed on while the guest waits.
#[derive(Debug, Clone)]
pub struct LiveQuestions {
    /// Where they go. One that finds the channel full or closed is refused.
    pub asked: mpsc::Sender<Asked>,
    /// What the client can be asked.
    pub can: Abilities,
    /// How long one question may wait for its answer.
    pub wait_max: Duration,
}

/// A question on its way to the client.
#[derive(Debug)]
pub struct Asked {
    /// Which of the call's it is.
    pub key: QuestionKey,
    /// What it asks.
    pub question: Question,
    /// Takes the answer. Dropped, it tells the guest that the client is gone; closed, nobody waits for the answer any more.
    pub answer: oneshot::Sender<Result<QuestionAnswer, QuestionFault>>,
}

/// Why a question has no answer. The tool reads it as the error that its question threw.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionFault {
    /// The client answered with an error, or with what does not fit the question.
    #[error("the client could not answer: {0}")]
    Client(String),
    /// As many calls wait for their clients as may.
    #[error("{0} calls wait for answers of their clients already, and no more may: try again later")]
    Busy(u32),
}

/// A call that is recorded.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The version that runs.
    pub version: VersionId,
    /// Of the values of its environment and what it was granted: a call goes on only while they are the same.
    pub environment: Digest,
    /// What the client can be asked.
    pub can: Abilities,
    /// What the client answered before anything was asked: results as MCP has them. One that fits a question of its key answers it at once, and
    /// all others are passed over. Not for a run over a journal, which has its own answers.
    pub ahead: BTreeMap<QuestionKey, Value>,
    /// What to run over, if it asked before.
    pub replay: Option<Replay>,
}

/// What a guest runs over again.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The journal as the last run gave it.
    pub journal: Journal,
    /// Answers to questions of [`domain::Suspended::questions`]. Those that have none yet are asked again.
    pub answers: BTreeMap<QuestionKey, QuestionAnswer>,
}

impl Default for Questions {
    fn default() -> Self {
        Self::Refused("this call has no client that could be asked")
    }
}
