//! What a token is worth, for those who may know (RFC 7662): whoever runs the platform, the customer whose server it is for, the client it was given to.

use domain::{CustomerId, Digest, Scopes, UserId};
use oauth::TokenErrorCode;
use store::consents::Subject;

use super::{TokenFault, access_tokens};
use crate::{App, AppError, Who, clients::Authenticated, policies};

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'a> {
    /// By a key.
    Caller(&'a Who),
    /// A client, which proved to be itself.
    Client(&'a Authenticated),
}

/// A token that is good at this moment (RFC 7662, section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveToken {
    /// The client that it was given to.
    pub client_id: String,
    /// Who gave it; absent of a client that acts for itself.
    pub user: Option<UserId>,
    /// What for.
    pub scopes: Scopes,
    /// The address of the one resource that it is for.
    pub audience: String,
    /// When it was made, in seconds since 1970; absent of a refresh token.
    pub issued_at_s: Option<i64>,
    /// When it ends, likewise.
    pub expires_at_s: i64,
    /// Whether it is one to use, and not one to get others with.
    pub is_access_token: bool,
}

/// What `token` is worth; `None` if nothing, or nothing that the asker may know. Those who may ask nothing at all are [`AppError::Forbidden`];
/// a client that has nothing to prove itself by is not known here, since anybody can say its name (RFC 7662, section 2.1).
pub async fn introspect(app: &App, asker: Asker<'_>, token: &str) -> Result<Option<ActiveToken>, TokenFault> {
    match asker {
        Asker::Caller(Who::Admin | Who::Key(_)) => {}
        Asker::Caller(_) => {
            let needed = "the admin key, a customer's API key, or a client that proves to be itself";
            return Err(AppError::Forbidden { needed }.into());
        }
        Asker::Client(client) if client.is_public() => {
            let said = "whoever asks what a token is worth proves to be themselves, which a public client cannot";
            return Err(TokenFault::new(TokenErrorCode::InvalidClient, said));
        }
        Asker::Client(_) => {}
    }
    let digest = Digest::of(token.as_bytes());
    let (id, access) = match access_tokens::load(app, token, &digest).await {
        Ok(verified) => (verified.caller.authorization, Some(verified)),
        Err(AppError::Unauthenticated) => match store::refresh_tokens::find(&mut *app.pool.acquire().await?, &digest).await? {
            Some(refresh) => (refresh.authorization, None),
            None => return Ok(None),
        },
        Err(error) => return Err(error.into()),
    };
    let mut connection = app.pool.acquire().await?;
    let found = store::authorizations::find(&mut connection, id).await?;
    let Some(authorization) = found.filter(|found| found.is_in_force(app.clock.now())) else { return Ok(None) };
    if access.is_none() {
        // One that was used is worth nothing any more, even while its answer may be given again.
        let shown = store::refresh_tokens::find(&mut connection, &digest).await?;
        if shown.is_none_or(|shown| shown.generation != authorization.generation) {
            return Ok(None);
        }
    }
    drop(connection);
    let may_know = match asker {
        Asker::Caller(Who::Key(key)) => customer_of(app, authorization.subject).await? == Some(key.customer),
        Asker::Client(client) => client.id().to_string() == authorization.client_id,
        Asker::Caller(_) => true,
    };
    if !may_know || !policies::allow_authorization(app, &authorization).await? {
        return Ok(None);
    }
    let (scopes, expires_at) = match &access {
        Some(verified) => (verified.caller.scopes.clone(), verified.caller.expires_at),
        None => (authorization.scopes, authorization.expires_at),
    };
    Ok(Some(ActiveToken {
        client_id: authorization.client_id,
        user: authorization.given.map(|given| given.user),
        scopes,
        audience: authorization.resource,
        issued_at_s: access.as_ref().map(|verified| verified.issued_at_s),
        expires_at_s: expires_at.timestamp(),
        is_access_token: access.is_some(),
    }))
}

async fn customer_of(app: &App, subject: Subject) -> Result<Option<CustomerId>, AppError> {
    match subject {
        Subject::Customer(customer) => Ok(Some(customer)),
        Subject::Server(server) => Ok(store::servers::find_customer(&mut *app.pool.acquire().await?, server).await?),
    }
}
