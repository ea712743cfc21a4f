//! What a token is worth, for those who may know (RFC 7662).

use std::sync::Arc;

use app::{
    App,
    tokens::{self, ActiveToken, Asker, Wanted},
};
use axum::{Json, extract::State};
use domain::{Scopes, UserId};
use oauth::TokenForm;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    client::{self, Refused},
    fault::Fault,
    form::ClientForm,
};

/// What a token is worth (RFC 7662, section 2.2).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Introspection {
    /// Whether it is worth anything, and whoever asks may know so.
    active: bool,
    #[serde(flatten)]
    #[schema(inline)]
    token: Option<TokenView>,
}

/// What is told of a token that is worth something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenView {
    /// `Bearer`, of an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// Who made it.
    iss: String,
    /// Who let its client have it; the client, if that acts for itself.
    sub: String,
    /// The one resource that it is for.
    aud: String,
    /// Whom it was given to.
    client_id: String,
    /// What for, with spaces between.
    #[schema(value_type = String)]
    scope: Scopes,
    /// Since when, in seconds since 1970; of an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// Until when, likewise.
    exp: i64,
}

/// Says what a token is worth, for those who may know (RFC 7662)
#[utoipa::path(post, path = "/oauth/introspect", tag = "oauth",
    request_body(content = Object, content_type = "application/x-www-form-urlencoded",
        description = "`token`; whoever asks shows a key as `Authorization: Bearer`, or is the client that the token was given to and shows itself as at the token endpoint"),
    responses(
        (status = 200, description = "`active` alone, or what the token is for", body = Introspection),
        (status = 400, description = "The form is not right", body = Fault),
        (status = 401, description = "Whoever asks is not known", body = Fault),
    ))]
pub(crate) async fn introspect_token(State(app): State<Arc<App>>, form: ClientForm) -> Result<Json<Introspection>, Refused> {
    let refused = |fault| Refused::new(fault, &form);
    let asked = TokenForm::parse(&form.parameters).map_err(|error| refused(error.into()))?;
    let token = asked.token.reveal();
    let found = match form.bearer() {
        Some(key) => {
            let caller = tokens::authenticate(&app, key, Wanted::Admin).await.map_err(|error| refused(error.into()))?;
            tokens::introspect(&app, Asker::Caller(&caller), token).await
        }
        None => tokens::introspect(&app, Asker::Client(&client::authenticate(&app, &form).await?), token).await,
    };
    let token = found.map_err(refused)?.map(|token| TokenView::of(&app, token));
    Ok(Json(Introspection { active: token.is_some(), token }))
}

impl TokenView {
    fn of(app: &App, token: ActiveToken) -> Self {
        let ActiveToken { client_id, user, scopes, audience, issued_at_s, expires_at_s, is_access_token } = token;
        Self {
            token_type: is_access_token.then_some("Bearer"),
            iss: app.issuer().to_string(),
            sub: user.as_ref().map_or_else(|| client_id.clone(), UserId::to_string),
            aud: audience,
            client_id,
            scope: scopes,
            iat: issued_at_s,
            exp: expires_at_s,
        }
    }
}
