//! Which method is answered where, in which era.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rmcp::model::{CancelledNotificationParam, RequestId as MessageId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    answer::Question,
    call::{self, ToolCall, Wanted},
    changes,
    completion::{self, Given},
    endpoint::Visit,
    era::{self, Era, Meta},
    handshake,
    listed::List,
    listing,
    log_level::Severity,
    message::{self, Params},
    questions::{BroughtBack, Client},
    reads,
    refusal::Refusal,
};

/// The parameters that the methods have; each reads its own.
#[derive(Debug, Deserialize)]
struct KnownParams<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    cursor: Option<&'a RawValue>,
    #[serde(borrow)]
    level: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
    #[serde(borrow)]
    argument: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    notifications: Option<&'a RawValue>,
    #[serde(borrow, rename = "inputResponses", default, deserialize_with = "message::present")]
    input_responses: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestState", default, deserialize_with = "message::present")]
    request_state: Option<&'a RawValue>,
}

/// Answers a request.
pub(super) async fn answer(visit: Visit, id: MessageId, method: &str, params: Params<'_>) -> Result<Response, Refusal> {
    let question = |era| Question { id, request_id: visit.request_id, era };
    if method == "initialize" && !era::is_of_2026(&visit.headers) {
        return handshake::initialize(&visit, &question(Era::Handshake), params);
    }
    let known: KnownParams<'_> = params.read()?;
    let meta = Meta::read(known.meta)?;
    let name = match method {
        "tools/call" | "prompts/get" => Some(reads::text("name", known.name)?),
        "resources/read" => Some(reads::text("uri", known.uri)?),
        _ => None,
    };
    let era = era::of_request(&visit.headers, method, name.as_deref(), &meta)?;
    let question = question(era);
    if era == Era::PerRequest && List::behind(method).is_some_and(|list| !visit.presentation.announces(list)) {
        return Err(Refusal::method_not_found(era));
    }
    match (method, era, name) {
        ("ping", Era::Handshake, _) => handshake::ping(&question),
        ("server/discover", Era::PerRequest, _) => handshake::discover(&visit.presentation, &question),
        ("tools/call", _, Some(name)) => {
            let call = ToolCall { name: &name, arguments: known.arguments };
            call::call_tool(&visit, question, wanted(&visit, era, &known, &meta)?, call).await
        }
        ("resources/read", _, Some(uri)) => {
            reads::read_resource(&visit, question, wanted(&visit, era, &known, &meta)?, uri).await
        }
        ("prompts/get", _, Some(name)) => {
            reads::get_prompt(&visit, question, wanted(&visit, era, &known, &meta)?, &name, known.arguments).await
        }
        ("completion/complete", _, _) if visit.presentation.config.capabilities.completions.is_some() => {
            let given = Given { reference: known.reference, argument: known.argument, context: known.context };
            completion::complete(&visit, question, given).await
        }
        ("subscriptions/listen", Era::PerRequest, _) => changes::listen(visit, question, known.notifications).await,
        ("logging/setLevel", Era::Handshake, _) => {
            let level = Severity::read(known.level)?;
            say(&visit, &question, |session| visit.door.sessions.set_log_level(session, level))
        }
        ("resources/subscribe", Era::Handshake, _) if visit.presentation.announces(List::Resources) => {
            let uri = reads::text("uri", known.uri)?;
            if visit.server.offers.version_at(&uri).is_none() {
                return Err(Refusal::resource_not_found(era, &uri));
            }
            let mut heard = Ok(());
            let answer = say(&visit, &question, |session| heard = visit.door.sessions.subscribe(session, uri));
            heard.and(answer)
        }
        ("resources/unsubscribe", Era::Handshake, _) if visit.presentation.announces(List::Resources) => {
            let uri = reads::text("uri", known.uri)?;
            say(&visit, &question, |session| visit.door.sessions.unsubscribe(session, &uri))
        }
        _ => match List::of_method(method) {
            Some(list) => listing::answer(&visit, &question, list, known.cursor).await,
            None => Err(Refusal::method_not_found(era)),
        },
    }
}

/// Hears a notification: 202, and no body, whatever comes of it.
pub(super) fn hear(visit: &Visit, method: &str, params: Params<'_>) -> Result<Response, Refusal> {
    era::check_notification(&visit.headers, method)?;
    if method == "notifications/cancelled"
        && let Some(message_id) = params.read::<CancelledNotificationParam>()?.request_id
    {
        visit.door.calls.cancel(&visit.call_key(message_id));
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

/// What the client wants to hear while a call runs, and how it can be asked. Of the log it hears what it has asked for, and nothing if it has not: in 2026-07-28
/// with the request itself, before in its session.
fn wanted(visit: &Visit, era: Era, known: &KnownParams<'_>, meta: &Meta<'_>) -> Result<Wanted, Refusal> {
    let log_level = match era {
        Era::PerRequest => meta.log_level()?,
        Era::Handshake => visit.session().and_then(|session| visit.door.sessions.said(&session).log_level),
    };
    let brought = BroughtBack { responses: known.input_responses, state: known.request_state };
    let client = Client::of(visit, era, meta, brought)?;
    Ok(Wanted { progress_token: meta.progress_token(), log_level, client })
}

/// Something that is said once and holds for the session.
fn say(visit: &Visit, question: &Question, hear: impl FnOnce(super::session::SessionKey)) -> Result<Response, Refusal> {
    let session = visit.session().ok_or_else(|| {
        Refusal::invalid_request("this is said for a session: the header Mcp-Session-Id must repeat what `initialize` answered")
    })?;
    hear(session);
    handshake::empty(question)
}
