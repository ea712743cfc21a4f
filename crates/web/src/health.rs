//! Whether the process lives, and whether it can do its work.

use std::sync::Arc;

use app::{App, health};
use axum::{Json as Answer, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{envelope::Envelope, error::ApiError};

/// That all is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `live` or `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Tells that the process answers at all
#[utoipa::path(get, path = "/health/live", tag = "operation", responses((status = 200, description = "It does", body = Health)))]
pub(crate) async fn live() -> Answer<Health> {
    Answer(Health { status: "live" })
}

/// Tells whether this node can do its work
///
/// The message of a 503 says what keeps it from that: the database does not answer, too many records wait for it, or the node is
/// shutting down.
#[utoipa::path(get, path = "/health/ready", tag = "operation",
    responses(
        (status = 200, description = "It can", body = Health),
        (status = 503, description = "It cannot, and why", body = Envelope),
    ))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<Answer<Health>, ApiError> {
    health::check(&app).await?;
    Ok(Answer(Health { status: "ready" }))
}
