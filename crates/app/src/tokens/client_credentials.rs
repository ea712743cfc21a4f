//! Tokens for clients that act for themselves (RFC 6749, section 4.4): those that a customer made, for the one thing that they were made for. A client
//! has one authorization, which each token makes last, and no refresh token: it can always ask again.

use chrono::{DateTime, Utc};
use domain::AuthorizationId;
use oauth::{Resource, TokenErrorCode};
use store::{
    authorizations::{self, Authorization},
    clients::{Machine, MachineAudience},
    consents::Subject,
};

use super::{TokenFault, exchange::Granted};
use crate::{
    App, Whence,
    audit::{About, Act, Intent},
    clients::Authenticated,
};

/// What `client` may have of the `scope` and `resource` that it asks for; without them, all that it was made for.
pub(super) async fn grant(
    app: &App,
    client: &Authenticated,
    scope: Option<&str>,
    resource: Option<&Resource>,
    from: Whence,
    now: DateTime<Utc>,
) -> Result<Granted, TokenFault> {
    let unauthorized = || TokenFault::new(TokenErrorCode::UnauthorizedClient, "the client was not made to act for itself");
    let (Some(key), Some(machine)) = (client.key(), client.machine()) else { return Err(unauthorized()) };
    let own = resource_of(machine);
    if resource.is_some_and(|resource| *resource != own) {
        return Err(TokenFault::new(TokenErrorCode::InvalidTarget, "`resource` is not the one that the client was made for"));
    }
    let scopes = oauth::narrowed_scopes(scope, &machine.scopes).map_err(oauth::TokenError::from)?;
    let new = Authorization {
        id: AuthorizationId::new(),
        given: None,
        client_id: client.id().to_string(),
        client_key: Some(key),
        subject: match &machine.audience {
            MachineAudience::Server { id, .. } => Subject::Server(*id),
            MachineAudience::Management(_) => Subject::Customer(machine.customer),
        },
        resource: own.url(&app.issuer),
        scopes: machine.scopes.clone(),
        generation: 0,
        rotated_at: None,
        created_at: now,
        last_used_at: Some(now),
        expires_at: now + app.settings.oauth.access_token,
        revoked_at: None,
    };
    let mut transaction = app.pool.begin().await?;
    let authorization = authorizations::upsert_of_machine(&mut transaction, key, &new).await?.ok_or_else(unauthorized)?;
    // One that goes on is as a refresh.
    if authorization.id == new.id {
        let intent = Intent::of_authorization(&authorization, from, Act::MakeAuthorization).of(machine.customer);
        intent.record(&mut transaction, About::authorization(&authorization), now).await?;
    }
    transaction.commit().await?;
    Ok(Granted { authorization, scopes, refresh_token: None })
}

fn resource_of(machine: &Machine) -> Resource {
    match &machine.audience {
        MachineAudience::Server { slug, .. } => Resource::Server(slug.clone()),
        MachineAudience::Management(_) => Resource::Management,
    }
}
