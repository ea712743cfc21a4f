//! Where clients give tokens back (RFC 7009).

use std::sync::Arc;

use app::{App, tokens};
use axum::extract::State;
use http::StatusCode;
use oauth::TokenForm;

use super::{
    client::{self, Refused},
    fault::Fault,
    form::ClientForm,
};

/// Ends what a token came from: its whole authorization (RFC 7009)
#[utoipa::path(post, path = "/oauth/revoke", tag = "oauth",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded",
        description = "`token`; `token_type_hint` is taken and not needed; the client shows itself as at the token endpoint"),
    responses(
        (status = 200, description = "The token is worth nothing now, if it ever was worth anything"),
        (status = 400, description = "The token is another client's, or the form is not right", body = Fault),
        (status = 401, description = "The client is not known, or did not prove to be itself", body = Fault),
    ))]
pub(crate) async fn revoke_token(State(app): State<Arc<App>>, form: ClientForm) -> Result<StatusCode, Refused> {
    let client = client::authenticate(&app, &form).await?;
    let refused = |fault| Refused::new(fault, &form);
    let given = TokenForm::parse(&form.parameters).map_err(|error| refused(error.into()))?;
    tokens::revoke(&app, &client, form.from, given.token.reveal()).await.map_err(refused)?;
    Ok(StatusCode::OK)
}
