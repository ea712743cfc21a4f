//! The way from the door to the routes and back. It is one layer and not one for each step of it: a layer costs every call a microsecond or two.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::{api::challenge, arrival, state::WebState, visitors};

/// Lets a request on that came under a name of ours and not too often; whoever may not use the API is told on the way back how one may.
pub(crate) async fn pass(State(state): State<WebState>, request: Request, next: Next) -> Response {
    if let Err(refusal) = visitors::check(&state.settings, &request) {
        return refusal.into_response();
    }
    let is_of_api = challenge::is_of_api(request.uri().path());
    let mut answer = arrival::pass(&state, request, next).await;
    if is_of_api {
        challenge::name_metadata(&state.app, &mut answer);
    }
    answer
}
