//! What tools ask their clients: with 2025-11-25 as requests of ours on the stream of an answer, which the client responds to by another POST;
//! with 2026-07-28 as the answer itself, upon which the client asks again (MCP, "Multi Round-Trip Requests").

use std::collections::BTreeMap;

use app::{
    AppError,
    questions::{self, ClientAnswer, LiveClient, OutgoingQuestion, RoundsClient},
};
use axum::response::{IntoResponse, Response};
use domain::{Abilities, Ability, OpenQuestion, QuestionId, QuestionKind, ToolFailure};
use http::StatusCode;
use rmcp::model::{RequestId as MessageId, ResultType};
use serde::{Serialize, Serializer};
use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};
use tokio::sync::mpsc;

use super::{
    answer::Question,
    endpoint::Visit,
    era::{self, Era, Meta},
    message::{ResponseError, ResponseOutcome},
    refusal::Refusal,
    session,
};

/// How the client of a request can be asked.
#[derive(Debug)]
pub(super) enum Client {
    Nobody(&'static str),
    /// While the call runs.
    Session {
        can: Abilities,
        session: String,
    },
    /// By the answer.
    Rounds(RoundsClient),
}

/// What the parameters of a request of 2026-07-28 bring back.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct BroughtBack<'a> {
    pub(super) responses: Option<&'a RawValue>,
    pub(super) state: Option<&'a RawValue>,
}

/// A question as a request of ours.
#[derive(Serialize)]
struct OurRequest<'a> {
    jsonrpc: &'static str,
    id: &'a str,
    method: &'static str,
    params: &'a RawValue,
}

/// A question in `inputRequests`.
#[derive(Serialize)]
struct InputRequest<'a> {
    method: &'static str,
    params: &'a RawValue,
}

/// The answer that asks (MCP, `InputRequiredResult`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InputRequired<'a> {
    result_type: ResultType,
    #[serde(serialize_with = "input_requests")]
    input_requests: &'a [OpenQuestion],
    request_state: &'a str,
    #[serde(rename = "_meta")]
    meta: &'a RawValue,
}

impl Client {
    /// How the client that sent a request can be asked.
    pub(super) fn of(visit: &Visit, era: Era, meta: &Meta<'_>, brought: BroughtBack<'_>) -> Result<Self, Refusal> {
        if era == Era::PerRequest {
            let client = RoundsClient { can: meta.abilities(), answers: brought.answers()?, state: brought.state()? };
            return Ok(Self::Rounds(client));
        }
        let Some(key) = visit.session() else {
            return Ok(Self::Nobody("the client's request names no session, in which it could be asked"));
        };
        Ok(match session::abilities(&visit.state.app, &key, &visit.caller) {
            None => {
                Self::Nobody("the client's session is not one that was given out to it, or is too old: it must initialize again")
            }
            Some(_) if !visit.accepted.events => Self::Nobody("the client does not accept the stream that questions go out on"),
            Some(can) => Self::Session { can, session: key.id().to_owned() },
        })
    }

    /// The same for the application, and where questions come out that are to be passed on.
    pub(super) fn open(self) -> (questions::Asking, Option<mpsc::Receiver<OutgoingQuestion>>) {
        match self {
            Self::Nobody(reason) => (questions::Asking::Nobody(reason), None),
            Self::Rounds(client) => (questions::Asking::Rounds(client), None),
            Self::Session { can, session } => {
                let (questions, receiver) = mpsc::channel(LiveClient::OPEN_MAX);
                let outlet = (!can.is_empty()).then_some(receiver);
                (questions::Asking::Live(LiveClient { can, session, questions }), outlet)
            }
        }
    }

    /// Whether it may be asked while its call runs.
    pub(super) fn is_live(&self) -> bool {
        matches!(self, Self::Session { can, .. } if !can.is_empty())
    }
}

impl BroughtBack<'_> {
    fn answers(self) -> Result<BTreeMap<String, Value>, Refusal> {
        let Some(given) = self.responses else { return Ok(BTreeMap::new()) };
        let answers: BTreeMap<String, Value> = serde_json::from_str(given.get()).map_err(|error| Refusal::params(&error))?;
        match answers.iter().find(|(_, answer)| !answer.is_object()) {
            Some((key, _)) => {
                let shown: String = key.chars().take(64).collect();
                Err(Refusal::invalid_params(format!("inputResponses.{shown} must be an object, as all responses are")))
            }
            None => Ok(answers),
        }
    }

    fn state(self) -> Result<Option<String>, Refusal> {
        self.state.map(|given| serde_json::from_str(given.get()).map_err(|error| Refusal::params(&error))).transpose()
    }
}

/// A question as the message that goes out on the stream.
pub(super) fn message(outgoing: &OutgoingQuestion) -> Option<String> {
    let OutgoingQuestion { id, question } = outgoing;
    let params = match question.kind() {
        // Until 2025-11-25 a page to be visited has an id by which its end could be told.
        QuestionKind::Elicitation if question.needs().has(Ability::Url) => {
            let mut params: Map<String, Value> = serde_json::from_str(question.params().get()).ok()?;
            params.insert("elicitationId".to_owned(), json!(QuestionId::new()));
            to_raw_value(&params).ok()?
        }
        _ => RawValue::from_string(question.params().get().to_owned()).ok()?,
    };
    let request = OurRequest { jsonrpc: "2.0", id, method: question.kind().method(), params: &params };
    serde_json::to_string(&request).ok()
}

/// Hears what a client of 2025-11-25 responds to a question: 202, and no body. Whatever is wrong with the id, the refusal is the same.
pub(super) async fn hear(visit: &Visit, id: MessageId, outcome: ResponseOutcome<'_>) -> Result<Response, Refusal> {
    let unknown = || Refusal::invalid_request("no question of this id waits for an answer of this client");
    era::check_stream(&visit.headers)?;
    let (Some(session), MessageId::String(id)) = (visit.session(), id) else { return Err(unknown()) };
    let answer = match outcome {
        ResponseOutcome::Result(result) => {
            ClientAnswer::Result(serde_json::from_str(result.get()).map_err(|error| Refusal::unreadable(&error))?)
        }
        ResponseOutcome::Error(ResponseError { code, message }) => ClientAnswer::Error { code, message: message.into_owned() },
    };
    let heard = questions::answer(&visit.state.app, &visit.caller, &visit.server, session.id(), &id, answer).await;
    match heard {
        Ok(()) => Ok(StatusCode::ACCEPTED.into_response()),
        Err(AppError::NotFound { .. }) => Err(unknown()),
        Err(error) => Err(Refusal::from_app(&error, visit.request_id)),
    }
}

/// The answer of 2026-07-28 that asks, as a message.
pub(super) fn input_required(
    question: &Question,
    meta: &RawValue,
    questions: &[OpenQuestion],
    state: Option<&str>,
) -> Result<String, Refusal> {
    // There is one with each: without it the client could only begin anew.
    let request_state = state.ok_or_else(|| Refusal::internal(question.request_id))?;
    question.message(InputRequired { result_type: ResultType::INPUT_REQUIRED, input_requests: questions, request_state, meta })
}

/// What a request of 2026-07-28 gets whose tool asked what its client has not declared, and did not go on without: it failed with what it was told.
pub(super) fn refusal_for_lack(era: Era, failure: &ToolFailure, lacked: Abilities) -> Option<Refusal> {
    let missing = lacked.iter().find(|ability| failure.message == ability.lack()).filter(|_| era == Era::PerRequest)?;
    Some(Refusal::missing_capability(&Abilities::default().with(missing).to_capabilities()))
}

fn input_requests<S: Serializer>(questions: &[OpenQuestion], serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::{Error as _, SerializeMap as _};
    let mut map = serializer.serialize_map(Some(questions.len()))?;
    for OpenQuestion { key, question, .. } in questions {
        let params = question.params().raw().ok_or_else(|| S::Error::custom("the parameters of a question are an object"))?;
        map.serialize_entry(key.as_str(), &InputRequest { method: question.kind().method(), params })?;
    }
    map.end()
}
