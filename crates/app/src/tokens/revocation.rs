//! Clients give tokens back (RFC 7009): the whole authorization ends with any of its tokens, on every node.

use domain::{AuthorizationId, Digest};
use oauth::TokenErrorCode;

use super::{TokenFault, access_tokens};
use crate::{
    App, AppError, Whence,
    audit::{About, Act, Intent},
    clients::Authenticated,
};

/// Ends what `token`, a refresh token or an access token, came from. One that is not known, or has ended, is as good as revoked (section 2.2); one that was
/// given to another client is refused (section 2.1).
pub async fn revoke(app: &App, client: &Authenticated, from: Whence, token: &str) -> Result<(), TokenFault> {
    let Some(id) = find(app, token).await? else { return Ok(()) };
    let mut transaction = app.pool.begin().await?;
    let Some(authorization) = store::authorizations::find(&mut transaction, id).await? else { return Ok(()) };
    if authorization.client_id != client.id().to_string() {
        return Err(TokenFault::new(TokenErrorCode::UnauthorizedClient, "the token was given to another client"));
    }
    let now = app.clock.now();
    if store::authorizations::revoke(&mut transaction, id, now).await? {
        let customer = client.machine().map(|machine| machine.customer);
        let intent = Intent::of_authorization(&authorization, from, Act::RevokeAuthorization);
        let intent = customer.into_iter().fold(intent, Intent::of);
        intent.record(&mut transaction, About::authorization(&authorization), now).await?;
    }
    transaction.commit().await?;
    app.memory.forget_authorization(id);
    Ok(())
}

/// What the token came from, whichever kind it is: what a client says of that is a hint that may be wrong.
async fn find(app: &App, token: &str) -> Result<Option<AuthorizationId>, AppError> {
    let digest = Digest::of(token.as_bytes());
    match access_tokens::load(app, token, &digest).await {
        Ok(verified) => return Ok(Some(verified.caller.authorization)),
        Err(AppError::Unauthenticated) => {}
        Err(error) => return Err(error),
    }
    let found = store::refresh_tokens::find(&mut *app.pool.acquire().await?, &digest).await?;
    Ok(found.map(|token| token.authorization))
}
