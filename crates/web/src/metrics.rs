//! The metrics of this node (MET-1).

use axum::{
    extract::{FromRequestParts, State},
    response::{IntoResponse, Response},
};
use http::{header, request::Parts};

use crate::{MetricsReaders, caller::AdminCaller, error::ApiError, state::WebState};

/// Whoever may read the metrics.
pub(crate) struct MetricsReader;

impl FromRequestParts<WebState> for MetricsReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, ApiError> {
        match state.settings.metrics {
            MetricsReaders::Anyone => Ok(Self),
            MetricsReaders::Admin => AdminCaller::from_request_parts(parts, state).await.map(|_| Self),
        }
    }
}

/// Shows the metrics of this node as text for Prometheus
///
/// Whether the admin key is needed is a setting; it is by default, but for an installation on loopback.
#[utoipa::path(get, path = "/metrics", tag = "operation", security((), ("admin_key" = [])),
    responses((status = 200, description = "The metrics in the OpenMetrics form", content_type = "application/openmetrics-text", body = String)))]
pub(crate) async fn get_metrics(_reader: MetricsReader, State(state): State<WebState>) -> Response {
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, form)], state.app.encode_metrics()).into_response()
}
