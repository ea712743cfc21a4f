//! Whether the process lives, and whether it can do its work.

use std::sync::Arc;

use app::{
    App,
    health::{self, Ready},
};
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
    /// What a node that is ready cannot do for now, beside calls: a sentence each, such as that the disk is full. Absent if there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    impaired: Vec<&'static str>,
}

/// Tells that the process answers at all
#[utoipa::path(get, path = "/health/live", tag = "operation", responses((status = 200, description = "It does", body = Health)))]
pub(crate) async fn live() -> Answer<Health> {
    Answer(Health { status: "live", impaired: Vec::new() })
}

/// Tells whether this node can do its work
///
/// The message of a 503 says what keeps it from that: the database does not answer, too many records wait for it, or the node is
/// shutting down. A node that can answer calls and not keep what is deployed, because its disk is full, is ready and says so.
#[utoipa::path(get, path = "/health/ready", tag = "operation",
    responses(
        (status = 200, description = "It can", body = Health),
        (status = 503, description = "It cannot, and why", body = Envelope),
    ))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<Answer<Health>, ApiError> {
    let Ready { impaired } = health::check(&app).await?;
    Ok(Answer(Health { status: "ready", impaired }))
}
