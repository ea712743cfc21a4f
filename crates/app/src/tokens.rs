//! Bearer tokens: from the text of a request to a caller; and how clients get them.

mod access_tokens;
pub mod authorize;
mod client_credentials;
pub mod devices;
mod exchange;
mod introspection;
mod refusal;
mod revocation;

use domain::{Digest, Slug};
use oauth::JwkSet;
use subtle::ConstantTimeEq as _;

pub(crate) use self::{access_tokens::Verified, exchange::random};
pub use self::{
    exchange::exchange,
    introspection::{ActiveToken, Asker, introspect},
    refusal::TokenFault,
    revocation::revoke,
};
use crate::{App, AppError, KeyCaller, Who, signing_keys};

/// What every API key begins with, so that people and scanners of leaked secrets know one when they see it.
pub(crate) const API_KEY_PREFIX: &str = "tw_";
/// The prefix, and 32 bytes as base64url without padding (RFC 4648, section 5).
const API_KEY_CHARS: usize = API_KEY_PREFIX.len() + 43;

/// What a request is for: an access token is good for one thing only (RFC 8707).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The server at `/mcp/<slug>`, whether there is one or not.
    Server(&'a Slug),
    /// The management API.
    Management,
    /// What is the admin's: no access token is for that.
    Admin,
}

/// Who shows `bearer`: the admin by the admin key, a customer by one of its API keys, a client by an access token that is for just what is wanted.
/// Everybody else is [`AppError::Unauthenticated`].
///
/// What was shown before is known by its digest: no signature is checked and no database asked again.
pub async fn authenticate(app: &App, bearer: &str, wanted: Wanted<'_>) -> Result<Who, AppError> {
    let digest = Digest::of(bearer.as_bytes());
    if is_admin_key(app, &digest) {
        return Ok(Who::Admin);
    }
    if has_form_of_api_key(bearer) {
        return by_api_key(app, &digest).await;
    }
    access_tokens::authenticate(app, bearer, &digest, wanted).await
}

/// Whether `bearer` was shown here lately and accepted. The admin key is not known in this sense: it can be guessed by whoever chose a poor one.
pub(crate) fn is_known(app: &App, bearer: &str) -> bool {
    let digest = Digest::of(bearer.as_bytes());
    app.memory.api_keys.keeps(&digest) || app.memory.tokens.keeps(&digest)
}

/// Whether `bearer` has the form of what we draw or sign: whoever has not got one finds none by trying.
pub(crate) fn cannot_be_guessed(bearer: &str) -> bool {
    has_form_of_api_key(bearer) || signing_keys::kid_of(bearer).is_some()
}

/// The public keys that access tokens are verified by now (RFC 7517).
pub async fn jwks(app: &App) -> Result<JwkSet, AppError> {
    let keys = signing_keys::current(app).await?;
    Ok(keys.public(app.clock.now()).collect())
}

async fn by_api_key(app: &App, digest: &Digest) -> Result<Who, AppError> {
    let read = || async {
        let found = store::api_keys::find_by_sha256(&mut *app.pool.acquire().await?, digest).await?;
        let owner = found.ok_or(AppError::Unauthenticated)?;
        let store::api_keys::ApiKeyOwner { customer, api_key, pins_definitions, .. } = owner;
        Ok(Who::Key(KeyCaller { customer, api_key, pins_definitions }))
    };
    app.memory.api_keys.get(digest, read).await
}

/// Compares digests, in constant time: neither the length nor a beginning of the key shows in how long it takes.
fn is_admin_key(app: &App, digest: &Digest) -> bool {
    bool::from(digest.as_bytes().ct_eq(app.admin_key.as_bytes()))
}

/// What cannot be a key costs no query.
fn has_form_of_api_key(bearer: &str) -> bool {
    bearer.len() == API_KEY_CHARS
        && bearer
            .strip_prefix(API_KEY_PREFIX)
            .is_some_and(|random| random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'))
}
