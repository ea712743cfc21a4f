//! Whatever the protocol has that this door does not answer itself, answered by `rmcp`: a service value a request, without a session.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, MetaObject, PaginatedRequestParams, ServerConfig,
    },
    service::RequestContext,
    transport::{StreamableHttpServerConfig, StreamableHttpService, streamable_http_server::session::never::NeverSessionManager},
};

use super::{presentation::Presentation, refusal::Refusal};

/// What `rmcp` needs to answer a request.
pub(super) struct Remainder {
    config: StreamableHttpServerConfig,
    sessions: Arc<NeverSessionManager>,
}

/// A server that has tools, which are not asked for here, and nothing else.
struct Handler(Arc<Presentation>);

impl Remainder {
    pub(super) fn new() -> Self {
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            // Origin and Host have been checked by then, for every request.
            .disable_allowed_hosts()
            .disable_allowed_origins();
        Self { config, sessions: Arc::new(NeverSessionManager::default()) }
    }

    /// Answers a request whose envelope, era and headers have been found right.
    ///
    /// `rmcp` gets the protocol's own headers alone: no token and no cookie leaves this door (MCP, "Token Passthrough").
    pub(super) async fn answer(
        &self,
        presentation: Arc<Presentation>,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response, Refusal> {
        let handler = move || Ok(Handler(Arc::clone(&presentation)));
        let service = StreamableHttpService::new(handler, Arc::clone(&self.sessions), self.config.clone());
        let response = service.handle(request(headers, body)).await;
        if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            // That is how it answers a body that it cannot read.
            return Err(Refusal::invalid_request("the parameters do not fit the method"));
        }
        Ok(response.map(Body::new))
    }
}

fn request(headers: &HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/mcp");
    let own = request.headers_mut();
    own.insert(header::HOST, HeaderValue::from_static("localhost"));
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    own.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    for (name, value) in headers.iter().filter(|(name, _)| name.as_str().starts_with("mcp-")) {
        own.append(name, value.clone());
    }
    request
}

impl Handler {
    fn meta(&self) -> Option<MetaObject> {
        serde_json::from_str(self.0.meta.get()).ok()
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        self.0.config.clone()
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult { meta: self.meta(), ..ListPromptsResult::default() })
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult { meta: self.meta(), ..ListResourcesResult::default() })
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult { meta: self.meta(), ..ListResourceTemplatesResult::default() })
    }
}
