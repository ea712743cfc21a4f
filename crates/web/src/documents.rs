//! Documents for whoever writes a client or a tool.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;

use crate::{WebSettings, state::WebState};

/// Describes this API as an OpenAPI 3.1 document
#[utoipa::path(get, path = "/openapi.json", tag = "documents",
    responses((status = 200, description = "The document", content_type = "application/json", body = Object)))]
pub(crate) async fn get_openapi(State(state): State<WebState>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], state.document.clone()).into_response()
}

/// Declares the tool API for an editor: the types of `import { tool } from "toolwright"`
#[utoipa::path(get, path = "/types/toolwright.d.ts", tag = "documents",
    responses((status = 200, description = "A TypeScript declaration file", content_type = "text/plain", body = String)))]
pub(crate) async fn get_types(State(settings): State<Arc<WebSettings>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], settings.types).into_response()
}
