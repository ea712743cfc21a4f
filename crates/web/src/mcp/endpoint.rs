//! `/mcp/{server}`: who asks, and whether they may.

use std::{sync::Arc, time::Duration};

use app::{
    AppError, Caller, CallerSecrets, Who, catalogue,
    catalogue::ServedServer,
    pins,
    tokens::{self, Wanted},
};
use axum::{
    Extension,
    extract::{Path, Request, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use domain::{RequestId, Scope, Slug};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rmcp::model::{ErrorCode, RequestId as MessageId};

use super::{
    Door,
    accept::{Accepted, accepted, names_events},
    caller_secrets,
    challenge::{self, TokenFault},
    changes, dispatch, era,
    in_flight::CallKey,
    message::Message,
    origin,
    presentation::Presentation,
    questions,
    refusal::Refusal,
    session::SessionKey,
};
use crate::{caller::bearer, extract::body::declared_bytes, state::WebState, whence};

/// Bytes of a message. Arguments come from models, which write some thousands.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What there is: a GET is for clients of 2025-11-25 that ask for a stream.
const METHODS: &str = "GET, POST";

/// A request that was let in.
pub(super) struct Visit {
    pub(super) state: WebState,
    pub(super) door: Arc<Door>,
    pub(super) request_id: RequestId,
    pub(super) headers: HeaderMap,
    pub(super) accepted: Accepted,
    pub(super) caller: Caller,
    /// What the caller brought for the tools.
    pub(super) secrets: CallerSecrets,
    pub(super) server: Arc<ServedServer>,
    pub(super) presentation: Arc<Presentation>,
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
        let visit = admit(state, door, request_id, &server, parts).await?;
        if !visit.accepted.json {
            let message = "the header Accept must allow application/json";
            return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, ErrorCode::INVALID_REQUEST, message));
        }
        let body = read(&visit.headers, body, visit.state.settings.body_wait).await?;
        match Message::parse(&body)? {
            Message::Request { id, method, params } => {
                let answered = dispatch::answer(visit, id.clone(), &method, params).await;
                answered.map_err(|refusal| refusal.of(id))
            }
            Message::Notification { method, params } => dispatch::hear(&visit, &method, params),
            Message::Response { id, outcome } => questions::hear(&visit, id, outcome).await,
        }
    };
    exchange.await.unwrap_or_else(IntoResponse::into_response)
}

/// Answers a GET: opens the stream on which a client of 2025-11-25 hears of changes. Whoever does not ask for just that is told that
/// there is nothing to get, as clients of 2026-07-28 are.
pub(super) async fn open_stream(
    State(state): State<WebState>,
    Extension(door): Extension<Arc<Door>>,
    Extension(request_id): Extension<RequestId>,
    server: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    if request.method() != Method::GET || !names_events(request.headers()) || era::is_of_2026(request.headers()) {
        return refuse_method(State(state), request).await;
    }
    let exchange = async {
        let server = server.map(|Path(server)| server).unwrap_or_default();
        let (parts, _) = request.into_parts();
        era::check_stream(&parts.headers)?;
        changes::follow(admit(state, door, request_id, &server, parts).await?).await
    };
    exchange.await.unwrap_or_else(IntoResponse::into_response)
}

/// Answers any other method: there is nothing to get but a stream, and no session to DELETE. OPTIONS asks which there are, for any server that there
/// may be: nothing is looked up.
pub(super) async fn refuse_method(State(state): State<WebState>, request: Request) -> Response {
    if let Err(refusal) = origin::check(&state.settings, request.headers(), request.uri()) {
        return refusal.into_response();
    }
    if request.method() == Method::OPTIONS {
        return (StatusCode::NO_CONTENT, [(header::ALLOW, METHODS)]).into_response();
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
async fn admit(state: WebState, door: Arc<Door>, request_id: RequestId, server: &str, parts: Parts) -> Result<Visit, Refusal> {
    let from = whence::of(&parts, &state.settings);
    let Parts { mut headers, uri, .. } = parts;
    origin::check(&state.settings, &headers, &uri)?;
    let refused = |error: AppError| Refusal::from_app(&error, request_id);
    let not_found = || refused(AppError::NotFound { what: "server", name: server.chars().take(64).collect() });
    let slug: Slug = server.parse().map_err(|_| not_found())?;
    let fault = if headers.contains_key(header::AUTHORIZATION) { TokenFault::Invalid } else { TokenFault::Absent };
    let refused = |error: AppError| match error {
        AppError::Unauthenticated => challenge::unauthenticated(&state.app, &slug, fault),
        error => refused(error),
    };
    let who = match bearer(&headers) {
        Some(token) => tokens::authenticate(&state.app, token, Wanted::Server(&slug)).await.map_err(refused)?,
        // A token that is none is not taken for nobody: also where nobody is let in.
        None if fault == TokenFault::Invalid => return Err(refused(AppError::Unauthenticated)),
        None => Who::Anyone,
    };
    let caller = who.at(from);
    let server = catalogue::load(&state.app, &caller, &slug).await.map_err(refused)?;
    let secrets = caller_secrets::take(&mut headers, &server.names_from_callers)?;
    let accepted = accepted(&headers);
    let pinned = pins::read_words(&state.app, &caller, &server).await.map_err(refused)?;
    let presentation = door.presentations.of(&server, pinned.as_ref()).map_err(|error| {
        tracing::error!(error = %error, "a server cannot be presented: {error}");
        Refusal::internal(request_id)
    })?;
    Ok(Visit { state, door, request_id, headers, accepted, caller, secrets, server, presentation })
}

/// Reads the body, bounded in bytes and time.
async fn read(headers: &HeaderMap, body: axum::body::Body, wait: Duration) -> Result<Bytes, Refusal> {
    if !is_json(headers) {
        let message = "the header Content-Type must be application/json, and there must be no Content-Encoding";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::INVALID_REQUEST, message));
    }
    let too_large = || {
        let message = format!("the body is larger than the {BODY_BYTES_MAX} bytes that are read");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::INVALID_REQUEST, message)
    };
    // One that says that it is too large is not waited for.
    if declared_bytes(headers).is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    match tokio::time::timeout(wait, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::invalid_request("the body broke off before its end")),
        Err(_) => {
            let message = format!("the body did not arrive within {} s", wait.as_secs());
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

impl Visit {
    /// Refuses a token that is not for this use, before anything of the answer is sent.
    pub(super) fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        self.caller.check_scope(scope).map_err(|error| match error {
            AppError::Scope { needed } => challenge::insufficient_scope(&self.state.app, &self.server.slug, &needed),
            error => Refusal::from_app(&error, self.request_id),
        })
    }

    /// The session that the request says it belongs to.
    pub(super) fn session(&self) -> Option<SessionKey> {
        SessionKey::of(&self.headers, self.caller.identity(), self.server.server_id)
    }

    /// What the call in the message of that id is known by.
    pub(super) fn call_key(&self, message_id: MessageId) -> CallKey {
        CallKey { caller: self.caller.identity(), server: self.server.server_id, message_id }
    }
}
