//! What every handler can reach.

use std::sync::Arc;

use app::App;
use axum::extract::FromRef;
use bytes::Bytes;

use crate::WebSettings;

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct WebState {
    pub(crate) app: Arc<App>,
    pub(crate) settings: Arc<WebSettings>,
    /// The OpenAPI document as JSON, made once.
    pub(crate) document: Bytes,
}

impl FromRef<WebState> for Arc<App> {
    fn from_ref(state: &WebState) -> Self {
        Self::clone(&state.app)
    }
}

impl FromRef<WebState> for Arc<WebSettings> {
    fn from_ref(state: &WebState) -> Self {
        Self::clone(&state.settings)
    }
}
