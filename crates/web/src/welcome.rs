//! What somebody sees who opens the address in a browser.

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::WebSettings;

/// What this is and where things are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Welcome {
    /// `Toolwright`.
    name: &'static str,
    /// The version of the program.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The pattern of the MCP endpoints.
    #[schema(example = "https://tools.example.com/mcp/{server}")]
    mcp: String,
    /// The description of the REST API.
    #[schema(example = "https://tools.example.com/api/v1/openapi.json")]
    openapi: String,
    /// The types of the tool API.
    #[schema(example = "https://tools.example.com/api/v1/types/toolwright.d.ts")]
    types: String,
    /// Whether this node can do its work.
    #[schema(example = "https://tools.example.com/health/ready")]
    health: String,
}

/// Says what this is and where things are
#[utoipa::path(get, path = "/", tag = "documents", responses((status = 200, description = "A short welcome", body = Welcome)))]
pub(crate) async fn welcome(State(settings): State<Arc<WebSettings>>) -> Answer<Welcome> {
    let base = settings.base();
    Answer(Welcome {
        name: "Toolwright",
        version: settings.version,
        mcp: format!("{base}/mcp/{{server}}"),
        openapi: format!("{base}/api/v1/openapi.json"),
        types: format!("{base}/api/v1/types/toolwright.d.ts"),
        health: format!("{base}/health/ready"),
    })
}
