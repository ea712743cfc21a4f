//! `POST /mcp/{server}`: who asks, for what, and who answers.

use std::{sync::Arc, time::Duration};

use app::{AppError, Caller, catalogue, catalogue::ServedServer, tokens};
use axum::{
    Extension,
    extract::{Path, Request, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use domain::{RequestId, Slug};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rmcp::model::{CancelledNotificationParam, ErrorCode, RequestId as MessageId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Door,
    accept::{Accepted, accepted},
    answer::Question,
    call::{self, Call},
    challenge::{self, TokenFault},
    era::{self, Era, Meta},
    handshake,
    in_flight::CallKey,
    listing,
    message::{Message, Params},
    origin,
    presentation::Presentation,
    refusal::Refusal,
};
use crate::{caller::bearer, state::WebState};

/// Bytes of a message. Arguments come from models, which write some thousands.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How long a message may take to arrive.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// A request that was let in.
pub(super) struct Visit {
    pub(super) state: WebState,
    pub(super) door: Arc<Door>,
    pub(super) request_id: RequestId,
    pub(super) headers: HeaderMap,
    pub(super) accepted: Accepted,
    pub(super) caller: Caller,
    pub(super) server: Arc<ServedServer>,
    pub(super) presentation: Arc<Presentation>,
}

/// The parameters that the methods answered here have; each reads its own.
#[derive(Debug, Deserialize)]
struct KnownParams<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    cursor: Option<&'a RawValue>,
}

/// Answers a POST.
pub(super) async fn answer(
    State(state): State<WebState>,
    Extension(door): Extension<Arc<Door>>,
    Extension(request_id): Extension<RequestId>,
    server: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let exchange = async {
        let (parts, body) = request.into_parts();
        let server = server.map(|Path(server)| server).unwrap_or_default();
        let visit = admit(state, door, request_id, &server, parts.headers, &parts.uri).await?;
        let body = read(&visit.headers, body).await?;
        match Message::parse(&body)? {
            Message::Request { id, method, params } => {
                let answered = answer_request(&visit, &body, id.clone(), &method, params).await;
                answered.map_err(|refusal| refusal.of(id))
            }
            Message::Notification { method, params } => hear(&visit, &method, params),
        }
    };
    exchange.await.unwrap_or_else(IntoResponse::into_response)
}

/// Answers any other method: there is no stream to GET and no session to DELETE.
pub(super) async fn refuse_method(State(state): State<WebState>, request: Request) -> Response {
    if let Err(refusal) = origin::check(&state.settings, request.headers(), request.uri()) {
        return refusal.into_response();
    }
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::INVALID_REQUEST,
        "messages are sent by POST; there is nothing else here",
    )
    .with_header(header::ALLOW, HeaderValue::from_static("POST"))
    .into_response()
}

/// Lets a request in whose page, token and server are right, before any byte of its body is read.
async fn admit(
    state: WebState,
    door: Arc<Door>,
    request_id: RequestId,
    server: &str,
    headers: HeaderMap,
    uri: &Uri,
) -> Result<Visit, Refusal> {
    origin::check(&state.settings, &headers, uri)?;
    let refused = |error: AppError| Refusal::from_app(&error, request_id);
    let not_found = || refused(AppError::NotFound { what: "server", name: server.chars().take(64).collect() });
    let slug: Slug = server.parse().map_err(|_| not_found())?;
    let unauthenticated = |fault| challenge::unauthenticated(&state.settings, &slug, fault);
    let caller = match bearer(&headers) {
        Some(token) => tokens::authenticate(&state.app, token).await.map_err(|error| match error {
            AppError::Unauthenticated => unauthenticated(TokenFault::Invalid),
            error => refused(error),
        })?,
        None if headers.contains_key(header::AUTHORIZATION) => return Err(unauthenticated(TokenFault::Invalid)),
        None => return Err(unauthenticated(TokenFault::Absent)),
    };
    let server = catalogue::find(&state.app, &caller, &slug).await.map_err(refused)?;
    let accepted = accepted(&headers);
    if !accepted.json {
        return Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            ErrorCode::INVALID_REQUEST,
            "the header Accept must allow application/json",
        ));
    }
    let presentation = door.presentations.of(&server).map_err(|error| {
        tracing::error!(error = %error, "a server cannot be presented: {error}");
        Refusal::internal(request_id)
    })?;
    Ok(Visit { state, door, request_id, headers, accepted, caller, server, presentation })
}

/// Reads the body, bounded in bytes and time.
async fn read(headers: &HeaderMap, body: axum::body::Body) -> Result<Bytes, Refusal> {
    if !is_json(headers) {
        let message = "the header Content-Type must be application/json, and there must be no Content-Encoding";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::INVALID_REQUEST, message));
    }
    match tokio::time::timeout(BODY_WAIT, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("the body is larger than the {BODY_BYTES_MAX} bytes that are read");
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::INVALID_REQUEST, message))
        }
        Ok(Err(_)) => Err(Refusal::invalid_request("the body broke off before its end")),
        Err(_) => {
            let message = format!("the body did not arrive within {} s", BODY_WAIT.as_secs());
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::INVALID_REQUEST, message))
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
        && headers.get(header::CONTENT_ENCODING).is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

async fn answer_request(
    visit: &Visit,
    body: &Bytes,
    id: MessageId,
    method: &str,
    params: Params<'_>,
) -> Result<Response, Refusal> {
    let question = |era| Question { id: id.clone(), request_id: visit.request_id, era };
    if method == "initialize" {
        return handshake::initialize(&visit.presentation, &visit.headers, &question(Era::Handshake), params);
    }
    let known: KnownParams<'_> = params.read()?;
    let meta = Meta::read(known.meta)?;
    let name = if method == "tools/call" { Some(call::name(known.name)?) } else { None };
    let era = era::of_request(&visit.headers, method, name.as_deref(), &meta)?;
    let question = question(era);
    match (method, era, name) {
        ("ping", Era::Handshake, _) => handshake::ping(&question),
        ("server/discover", Era::PerRequest, _) => handshake::discover(&visit.presentation, &question),
        ("tools/list", _, _) => {
            let cursor: Option<String> = known
                .cursor
                .map(|cursor| serde_json::from_str(cursor.get()))
                .transpose()
                .map_err(|error| Refusal::params(&error))?;
            listing::list(&visit.presentation, &question, cursor.as_deref())
        }
        ("tools/call", _, Some(name)) => {
            call::answer(visit, question, Call { name: &name, arguments: known.arguments, progress_token: meta.progress_token() })
                .await
        }
        _ => visit.door.remainder.answer(Arc::clone(&visit.presentation), &visit.headers, body.clone()).await,
    }
}

/// Hears a notification: 202, and no body, whatever comes of it.
fn hear(visit: &Visit, method: &str, params: Params<'_>) -> Result<Response, Refusal> {
    era::check_notification(&visit.headers, method)?;
    if method == "notifications/cancelled"
        && let Some(message_id) = params.read::<CancelledNotificationParam>()?.request_id
    {
        visit.door.calls.cancel(&visit.call_key(message_id));
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

impl Visit {
    /// What the call in the message of that id is known by.
    pub(super) fn call_key(&self, message_id: MessageId) -> CallKey {
        CallKey { caller: self.caller, server: self.server.server_id, message_id }
    }
}
