//! The MCP door: `/mcp/{server}`, the streamable HTTP transport of the Model Context Protocol for two eras at once.
//!
//! Clients of 2025-11-25 and before open with `initialize`; clients of 2026-07-28 say who they are in every request. Both are served
//! so that any node can answer any request. [`dispatch`] says which method is answered where; the protocol's own types are those of
//! `rmcp`, which is named in no other room (RUN-6).

mod accept;
mod answer;
mod arguments;
mod call;
mod call_result;
mod caller_secrets;
mod challenge;
mod changes;
mod completion;
mod dispatch;
mod endpoint;
mod era;
mod handshake;
mod in_flight;
mod listed;
mod listing;
mod log_level;
mod message;
mod origin;
mod presentation;
mod questions;
mod reads;
mod refusal;
mod reports;
mod reread;
mod routing_headers;
mod session;

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Extension, Router,
    response::{IntoResponse, Response},
    routing::post,
};
use domain::{EnvName, RequestId};
use http::HeaderMap;

use self::{changes::Places, in_flight::CallsInFlight, presentation::Presentations, refusal::Refusal, session::Sessions};
use crate::{error::ApiError, state::WebState};

/// What the requests of this door share.
struct Door {
    calls: CallsInFlight,
    presentations: Presentations,
    sessions: Sessions,
    streams: Places,
}

/// What somebody is told at this door whose request did not come to it.
pub(crate) fn refusal(error: &ApiError, request_id: RequestId) -> Response {
    Refusal::from_api(error, request_id).into_response()
}

/// What is understood of a body, written anew; or the error that answers it.
pub(crate) fn reread(body: &[u8]) -> Result<String, String> {
    reread::reread(body).map_err(|refusal| serde_json::to_string(&refusal.into_message()).unwrap_or_default())
}

/// Takes the headers `X-Env-NAME`; what is wrong with them is told as the client is told it.
pub(crate) fn take_env_headers(headers: &mut HeaderMap, declared: &BTreeSet<EnvName>) -> Result<(), String> {
    let taken = caller_secrets::take(headers, declared);
    taken.map(|_| ()).map_err(|refusal| serde_json::to_string(&refusal.into_message()).unwrap_or_default())
}

/// The routes below `/mcp`.
pub(crate) fn routes() -> Router<WebState> {
    let door = Door {
        calls: CallsInFlight::default(),
        presentations: Presentations::new(),
        sessions: Sessions::new(),
        streams: Places::default(),
    };
    let methods = post(endpoint::answer).get(endpoint::open_stream).fallback(endpoint::refuse_method);
    Router::new().route("/{server}", methods).layer(Extension(Arc::new(door)))
}
