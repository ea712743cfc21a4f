//! Whom a server's access policy lets in. It is asked when somebody lets a client in, when a client refreshes, and on every call: from memory, which
//! another node's change reaches by notice.

use std::sync::Arc;

use domain::{AccessPolicy, CustomerId, MemberRole, Slug, UserId};
use oauth::Resource;
use store::{authorizations::Authorization, consents::Subject};

use crate::{
    App, AppError, Audience, Caller, Who, access,
    accounts::{self, Person},
    catalogue::{self, ServedServer},
};

/// Whether `caller` may use this very server now. What the table says is asked before.
pub(crate) async fn allow(app: &App, caller: &Caller, server: &ServedServer) -> Result<bool, AppError> {
    match &caller.who {
        Who::Anyone => Ok(server.access == AccessPolicy::Public),
        Who::Token(token) if token.audience == Audience::Server(server.server_id) => match token.user {
            Some(user) => allow_user(app, server, user).await,
            // A client that acts for itself was made by the server's own customer for it, and goes with both.
            None => Ok(true),
        },
        _ => Ok(access::may_use(caller, server)),
    }
}

/// Whether `user` may let clients use this server.
pub(crate) async fn allow_user(app: &App, server: &ServedServer, user: UserId) -> Result<bool, AppError> {
    let least = match server.access {
        AccessPolicy::Owner => MemberRole::Owner,
        AccessPolicy::Members => MemberRole::Viewer,
        AccessPolicy::Consent | AccessPolicy::Public => return Ok(person(app, user).await?.is_some()),
    };
    let role = role(app, server.customer, user).await?;
    Ok(role.is_some_and(|role| role >= least))
}

/// The server of this name, if there is one that `user` may let clients use.
pub(crate) async fn find_server(app: &App, slug: &Slug, user: UserId) -> Result<Option<Arc<ServedServer>>, AppError> {
    match catalogue::load_any(app, slug).await {
        Ok(server) => Ok(allow_user(app, &server, user).await?.then_some(server)),
        Err(AppError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether what was given once may still be used.
pub(crate) async fn allow_authorization(app: &App, authorization: &Authorization) -> Result<bool, AppError> {
    // Likewise: its authorization goes with the client.
    let Some(given) = authorization.given else { return Ok(authorization.client_key.is_some()) };
    match authorization.subject {
        Subject::Customer(customer) => Ok(role(app, customer, given.user).await?.is_some()),
        Subject::Server(id) => {
            let Some(slug) = slug_of(app, &authorization.resource) else { return Ok(false) };
            match catalogue::load_any(app, &slug).await {
                Ok(server) => Ok(server.server_id == id && allow_user(app, &server, given.user).await?),
                Err(AppError::NotFound { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        }
    }
}

/// What a person may do for a customer at this moment; nothing if they are no member, or disabled.
pub(crate) async fn role(app: &App, customer: CustomerId, user: UserId) -> Result<Option<MemberRole>, AppError> {
    Ok(person(app, user).await?.and_then(|person| person.role_at(customer)))
}

/// The person, unless they are gone or disabled.
pub(crate) async fn person(app: &App, user: UserId) -> Result<Option<Arc<Person>>, AppError> {
    match accounts::load_person(app, user).await {
        Ok(person) => Ok(Some(person)),
        Err(AppError::Unauthenticated) => Ok(None),
        Err(error) => Err(error),
    }
}

fn slug_of(app: &App, resource: &str) -> Option<Slug> {
    match Resource::parse(&app.issuer, resource).ok()? {
        Resource::Server(slug) => Some(slug),
        Resource::Management => None,
    }
}
