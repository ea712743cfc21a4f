//! What whoever may not use this API is told besides: where the metadata of the API are, by which a client finds the way to a token.

use std::sync::Arc;

use app::App;
use axum::response::Response;
use oauth::Resource;

use crate::error::ApiError;

/// What is below this is the resource that the metadata speak of.
const BELOW: &str = "/api/v1/";

/// Whether `path` is of the management API.
pub(crate) fn is_of_api(path: &str) -> bool {
    path.starts_with(BELOW)
}

/// Names the metadata of the management API in a challenge of its own (RFC 9728, section 5.1), as long as it is an error that has no form yet.
pub(crate) fn name_metadata(app: &App, answer: &mut Response) {
    if let Some(error) = answer.extensions_mut().get_mut::<Arc<ApiError>>().and_then(Arc::get_mut) {
        error.name_metadata(&Resource::Management.metadata_url(app.issuer()));
    }
}
