//! The MCP door: `/mcp/{server}`, the streamable HTTP transport of the Model Context Protocol for two eras at once.
//!
//! Clients of 2025-11-25 and before open with `initialize`; clients of 2026-07-28 say who they are in every request. Both are served
//! without a session, so that any node can answer any request. What nearly every request is (`initialize`, `ping`, `server/discover`,
//! `tools/list`, `tools/call` and notifications) is answered here; whatever else the protocol has goes through `rmcp`
//! (see [`remainder`]), which is named in no other room (RUN-6).

mod accept;
mod answer;
mod arguments;
mod call;
mod call_result;
mod challenge;
mod endpoint;
mod era;
mod handshake;
mod in_flight;
mod listing;
mod message;
mod origin;
mod presentation;
mod progress;
mod refusal;
mod remainder;
mod routing_headers;

use std::sync::Arc;

use axum::{Extension, Router, routing::post};

use self::{in_flight::CallsInFlight, presentation::Presentations, remainder::Remainder};
use crate::state::WebState;

/// What the requests of this door share.
struct Door {
    calls: CallsInFlight,
    presentations: Presentations,
    remainder: Remainder,
}

/// The routes below `/mcp`.
pub(crate) fn routes() -> Router<WebState> {
    let door = Door { calls: CallsInFlight::default(), presentations: Presentations::new(), remainder: Remainder::new() };
    Router::new().route("/{server}", post(endpoint::answer).fallback(endpoint::refuse_method)).layer(Extension(Arc::new(door)))
}
