//! Calls of clients of 2026-07-28, which are asked by the answer of their request and ask again with what it said.
//!
//! Between two rounds there is a row with the journal, sealed, and a text that the client carries: sealed as well, and bound to the caller, the
//! server and the request, so that it is good for making that same request again and for nothing else. The row is taken once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{
    CallId, Digest, EnvName, Journal, JournalId, OpenQuestion, QuestionAnswer, QuestionKey, Receipt, RequestId, ServerId,
    VersionId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::journals::{self, KeptJournal};
use uuid::Uuid;

use super::RoundsClient;
use crate::{
    App, AppError, Caller, CallerSecrets,
    catalogue::ServedServer,
    records::CallFacts,
    seals::{self, SealedFor},
};

const PURPOSE: &str = "the state of a request";
/// What the row of a journal is sealed as.
const JOURNAL: &[u8] = b"the journal of a call";

/// What is requested: a state is good for the very same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// MCP's method.
    pub(crate) method: &'static str,
    /// What is called, read or got.
    pub(crate) name: &'a str,
    pub(crate) arguments: &'a Value,
}

/// A request of such a client, with its state looked through.
#[derive(Debug)]
pub(crate) struct Round {
    client: RoundsClient,
    /// What its state is bound to.
    bound_to: Digest,
    /// What it says that the request goes on with; absent the first time.
    journal: Option<JournalId>,
}

/// What a round begins with.
#[derive(Debug)]
pub(crate) enum Beginning {
    /// Nothing but the request.
    First,
    /// A call that goes on.
    Again(Box<Resumed>),
    /// A call that cannot go on, since the client answered none of its questions.
    Unanswered(Box<Unanswered>),
}

/// A call that goes on. Its journal is nobody else's any more.
#[derive(Debug)]
pub(crate) struct Resumed {
    pub(crate) kept: KeptCall,
    pub(crate) answers: BTreeMap<QuestionKey, QuestionAnswer>,
    /// The row, to be given back if nothing comes of it.
    pub(crate) row: KeptJournal,
}

/// What the client of a call is asked again.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) call: CallId,
    pub(crate) questions: Vec<OpenQuestion>,
    pub(crate) used: Receipt,
    pub(crate) state: String,
}

/// What is kept of a call between two rounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptCall {
    pub(crate) call: CallId,
    pub(crate) request: RequestId,
    pub(crate) queued_at: DateTime<Utc>,
    pub(crate) journal: Journal,
    /// What its caller brought for it, by name: what the journal says was made with it, and it is kept nowhere.
    #[serde(default)]
    pub(crate) brought: BTreeSet<EnvName>,
}

impl Subject<'_> {
    fn digest(&self, caller: &Caller, server: ServerId) -> Digest {
        Digest::of_parts([
            caller.identity().to_bytes().as_slice(),
            server.as_uuid().as_bytes(),
            self.method.as_bytes(),
            self.name.as_bytes(),
            self.arguments.to_string().as_bytes(),
        ])
    }
}

impl KeptCall {
    /// The version that its runs are of.
    pub(crate) const fn version(&self) -> VersionId {
        self.journal.pins.version
    }
}

impl Round {
    /// Looks a request's state through; refused if it is not one that was made for this request and has not expired.
    pub(crate) fn open(
        app: &App,
        caller: &Caller,
        server: &ServedServer,
        client: RoundsClient,
        subject: Subject<'_>,
    ) -> Result<Self, AppError> {
        let bound_to = subject.digest(caller, server.server_id);
        let journal = match &client.state {
            None => None,
            Some(state) => {
                let opened = seals::open(app, sealed_for(&bound_to), state).ok_or_else(state_refused)?;
                Some(JournalId::from_uuid(Uuid::from_slice(&opened).map_err(|_| state_refused())?))
            }
        };
        Ok(Self { client, bound_to, journal })
    }

    /// Whether nothing came before it.
    pub(crate) const fn is_first(&self) -> bool {
        self.journal.is_none()
    }

    /// What the state of its next round is bound to.
    pub(crate) const fn bound_to(&self) -> Digest {
        self.bound_to
    }

    /// The client, whose state has been looked through.
    pub(crate) fn into_client(self) -> RoundsClient {
        self.client
    }

    /// What it begins with. A journal is taken only when there are answers, and all that there are fit.
    pub(crate) async fn begin(&self, app: &App, server: &ServedServer, secrets: &CallerSecrets) -> Result<Beginning, AppError> {
        let Some(id) = self.journal else { return Ok(Beginning::First) };
        let (now, customer) = (app.clock.now(), server.customer);
        let finding = async { journals::find(&mut *app.pool.acquire().await?, customer, id, now).await };
        let row = app.outage.while_there(finding).await?.ok_or_else(state_refused)?;
        let kept = unseal(app, &row)?;
        let answers = read_answers(&kept.journal.suspended.questions, &self.client.answers)?;
        if answers.is_empty() {
            let KeptCall { call, journal, .. } = kept;
            let state = self.client.state.clone().unwrap_or_default();
            let unanswered = Unanswered { call, questions: journal.suspended.questions, used: journal.used, state };
            return Ok(Beginning::Unanswered(Box::new(unanswered)));
        }
        if let Some(name) = secrets.find_missing(&kept.brought) {
            return Err(AppError::invalid(format!(
                "this call began with the header X-Env-{name}, which is kept nowhere: send it with the answers as well"
            )));
        }
        let taking = async { journals::take(&mut *app.pool.acquire().await?, customer, id, now).await };
        if !app.outage.while_there(taking).await? {
            return Err(state_refused());
        }
        Ok(Beginning::Again(Box::new(Resumed { kept, answers, row })))
    }
}

/// Gives a journal back, because nothing has been done with it: the client can try again. Whether that went well.
pub(crate) async fn give_back(app: &App, row: &KeptJournal) -> bool {
    let giving_back = async { journals::give_back(&mut *app.pool.acquire().await?, row).await };
    app.outage.while_there(giving_back).await.unwrap_or_else(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "a call cannot be tried again: its journal is lost");
        false
    })
}

/// Keeps the journal of a call for its next round; gives the state that the client brings back. Refused with [`AppError::Busy`] if as many calls of the customer
/// wait as may.
pub(crate) async fn keep(
    app: &App,
    bound_to: &Digest,
    facts: &CallFacts,
    brought: &BTreeSet<EnvName>,
    journal: Journal,
) -> Result<String, AppError> {
    let id = JournalId::new();
    let now = app.clock.now();
    let expires_at = now + journals::TTL;
    let kept =
        KeptCall { call: facts.call, request: facts.request, queued_at: facts.queued_at, journal, brought: brought.clone() };
    let sealed = seal(app, facts, id, &kept)?;
    let row = KeptJournal { id, customer: facts.customer, call: facts.call, sealed, expires_at };
    let inserting = async { journals::insert(&mut *app.pool.acquire().await?, &row, now).await };
    if !app.outage.while_there(inserting).await? {
        return Err(AppError::TooManyWaiting { calls_max: journals::OF_CUSTOMER_MAX, retry_after_s: RETRY_AFTER_S });
    }
    seals::seal(app, sealed_for(bound_to), expires_at, id.as_uuid().as_bytes())
}

/// Seconds after which some of the calls that wait may have ended.
const RETRY_AFTER_S: u32 = 30;

/// The answers to `questions` among those that were given.
fn read_answers(
    questions: &[OpenQuestion],
    given: &BTreeMap<String, Value>,
) -> Result<BTreeMap<QuestionKey, QuestionAnswer>, AppError> {
    let answered = questions.iter().filter_map(|open| Some((open, given.get(open.key.as_str())?)));
    answered
        .map(|(open, result)| {
            let answer = QuestionAnswer::read(&open.question, result);
            let answer = answer.map_err(|error| AppError::invalid(format!("inputResponses.{}: {error}", open.key)))?;
            Ok((open.key.clone(), answer))
        })
        .collect()
}

fn sealed_for(bound_to: &Digest) -> SealedFor<'_> {
    SealedFor { purpose: PURPOSE, bound_to: bound_to.as_bytes() }
}

/// One answer for every state that is not good, so that it tells nothing.
fn state_refused() -> AppError {
    AppError::invalid(
        "requestState is not good for this request: it was changed, was used before, is too old, or was made for another request; make the \
         request again without it",
    )
}

fn seal(app: &App, facts: &CallFacts, id: JournalId, kept: &KeptCall) -> Result<Vec<u8>, AppError> {
    let plain = serde_json::to_vec(kept).map_err(|error| AppError::internal("cannot write the journal of a call", error))?;
    let (id, customer) = (id.as_uuid(), facts.customer.as_uuid());
    let sealed = app.row_key.seal_bytes(&[JOURNAL, id.as_bytes(), customer.as_bytes()], &plain);
    sealed.map_err(|error| AppError::internal("cannot seal the journal of a call", error))
}

fn unseal(app: &App, row: &KeptJournal) -> Result<KeptCall, AppError> {
    let (id, customer) = (row.id.as_uuid(), row.customer.as_uuid());
    let plain = app.row_key.open_bytes(&[JOURNAL, id.as_bytes(), customer.as_bytes()], &row.sealed);
    let plain = plain.map_err(|error| AppError::internal("cannot open the journal of a call", error))?;
    serde_json::from_slice(&plain).map_err(|error| AppError::internal("cannot read the journal of a call", error))
}
