//! What every handler can reach.

use std::{ops::Deref, sync::Arc};

use app::App;
use axum::extract::FromRef;
use bytes::Bytes;

use crate::WebSettings;

/// What every handler can reach. It is cloned several times a request, on every core: one count each, and not one for each part of it.
#[derive(Clone)]
pub(crate) struct WebState(Arc<WebParts>);

/// What there is to reach.
pub(crate) struct WebParts {
    pub(crate) app: Arc<App>,
    pub(crate) settings: Arc<WebSettings>,
    /// The OpenAPI document as JSON, made once.
    pub(crate) document: Bytes,
}

impl WebState {
    pub(crate) fn new(parts: WebParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for WebState {
    type Target = WebParts;

    fn deref(&self) -> &WebParts {
        &self.0
    }
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
