//! The token endpoint (RFC 6749, section 3.2).

use std::sync::Arc;

use app::{App, tokens};
use axum::{Json, extract::State};
use oauth::{TokenAnswer, TokenRequest};

use super::{
    client::{self, Refused},
    fault::Fault,
    form::ClientForm,
};

/// Gives a client tokens for a code, or others for a refresh token (RFC 6749)
#[utoipa::path(post, path = "/oauth/token", tag = "oauth",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded",
        description = "`grant_type` and what belongs to it; `resource` (RFC 8707); the client shows itself by `client_id`, by Basic, or by `client_assertion`"),
    responses(
        (status = 200, description = "The tokens (RFC 6749, section 5.1)", body = Object),
        (status = 400, description = "They are not given", body = Fault),
        (status = 401, description = "The client is not known, or did not prove to be itself", body = Fault),
    ))]
pub(crate) async fn exchange_token(State(app): State<Arc<App>>, form: ClientForm) -> Result<Json<TokenAnswer>, Refused> {
    let client = client::authenticate(&app, &form).await?;
    let refused = |fault| Refused::new(fault, &form);
    let request = TokenRequest::parse(app.issuer(), &form.parameters).map_err(|error| refused(error.into()))?;
    tokens::exchange(&app, &client, form.from, request).await.map(Json).map_err(refused)
}
