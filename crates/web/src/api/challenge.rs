//! What whoever may not use this API is told besides: where the metadata of the API are, by which a client finds the way to a token.

use std::sync::Arc;

use app::App;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use oauth::Resource;

use crate::error::ApiError;

/// What is below this is the resource that the metadata speak of.
const BELOW: &str = "/api/v1/";

/// Names the metadata of the management API in each challenge of `/api/v1` (RFC 9728, section 5.1). A layer within [`crate::door::pass`].
pub(crate) async fn name_metadata(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let is_of_api = request.uri().path().starts_with(BELOW);
    let mut answer = next.run(request).await;
    if is_of_api && let Some(error) = answer.extensions_mut().get_mut::<Arc<ApiError>>().and_then(Arc::get_mut) {
        error.name_metadata(&Resource::Management.metadata_url(app.issuer()));
    }
    answer
}
