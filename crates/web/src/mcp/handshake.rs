//! How client and server come to know each other: `initialize`, `ping` and `server/discover`.

use axum::response::Response;
use domain::Abilities;
use rmcp::model::{CacheScope, DiscoverResult, EmptyResult, InitializeRequestParams, ProtocolVersion};

use super::{
    answer::Question,
    endpoint::Visit,
    era,
    message::Params,
    presentation::Presentation,
    refusal::Refusal,
    session::{self, MCP_SESSION_ID},
};

/// How long a client may go by what `server/discover` said. Titles and descriptions change seldom.
const DISCOVERY_TTL_MS: u64 = 60_000;

/// Agrees on a version with a client of 2025-11-25 or before: its own if it is one of those, otherwise the newest of them.
///
/// A session id is handed out, in which it stands what the client can be asked, and for what such a client says once and for all
/// ([`super::session`]). It is not asked for otherwise: every node can answer every request.
pub(super) fn initialize(visit: &Visit, question: &Question, params: Params<'_>) -> Result<Response, Refusal> {
    let InitializeRequestParams { protocol_version: requested, capabilities, .. } = params.read()?;
    era::check_initialize(&visit.headers, &requested)?;
    let is_known = requested.has_initialize() && ProtocolVersion::KNOWN_VERSIONS.contains(&requested);
    let agreed = if is_known { requested } else { ProtocolVersion::LATEST_WITH_INITIALIZE };
    let can =
        serde_json::to_value(capabilities).map(|capabilities| Abilities::of_capabilities(&capabilities)).unwrap_or_default();
    let session = session::new_id(&visit.state.app, &visit.caller, visit.server.server_id, can);
    let session = session.map_err(|error| Refusal::from_app(&error, question.request_id))?;
    let mut response = question.answer(visit.presentation.config.clone().with_protocol_version(agreed))?;
    response.headers_mut().insert(MCP_SESSION_ID, session);
    Ok(response)
}

/// Tells a client of 2025-11-25 or before that the server is there.
pub(super) fn ping(question: &Question) -> Result<Response, Refusal> {
    empty(question)
}

/// Says that it was heard.
pub(super) fn empty(question: &Question) -> Result<Response, Refusal> {
    question.answer(EmptyResult {})
}

/// Tells a client of 2026-07-28 who the server is.
pub(super) fn discover(presentation: &Presentation, question: &Question) -> Result<Response, Refusal> {
    let versions = ProtocolVersion::KNOWN_VERSIONS.to_vec();
    let result = DiscoverResult::from_server_info(versions, presentation.config.clone());
    question.answer(result.with_ttl_ms(DISCOVERY_TTL_MS).with_cache_scope(CacheScope::Private))
}
