//! Bearer tokens: from the text of a request to a caller.

use domain::Digest;
use subtle::ConstantTimeEq as _;

use crate::{App, AppError, Caller, KeyCaller};

/// What every API key begins with, so that people and scanners of leaked secrets know one when they see it.
pub(crate) const API_KEY_PREFIX: &str = "tw_";
/// The prefix, and 32 bytes as base64url without padding (RFC 4648, section 5).
const API_KEY_CHARS: usize = API_KEY_PREFIX.len() + 43;

/// Who shows `bearer`: the admin by the admin key, a customer by one of its API keys. Everybody else is [`AppError::Unauthenticated`].
pub async fn authenticate(app: &App, bearer: &str) -> Result<Caller, AppError> {
    if is_admin_key(app, bearer) {
        return Ok(Caller::Admin);
    }
    if !has_form_of_api_key(bearer) {
        return Err(AppError::Unauthenticated);
    }
    let digest = Digest::of(bearer.as_bytes());
    let read = || async {
        let found = store::api_keys::find_by_sha256(&mut *app.pool.acquire().await?, &digest).await?;
        let owner = found.ok_or(AppError::Unauthenticated)?;
        let store::api_keys::ApiKeyOwner { customer, api_key, pins_definitions, .. } = owner;
        Ok(Caller::Key(KeyCaller { customer, api_key, pins_definitions }))
    };
    app.memory.api_keys.get(&digest, read).await
}

/// Compares digests, in constant time: neither the length nor a beginning of the key shows in how long it takes.
fn is_admin_key(app: &App, bearer: &str) -> bool {
    bool::from(Digest::of(bearer.as_bytes()).as_bytes().ct_eq(app.admin_key.as_bytes()))
}

/// What cannot be a key costs no query.
fn has_form_of_api_key(bearer: &str) -> bool {
    bearer.len() == API_KEY_CHARS
        && bearer
            .strip_prefix(API_KEY_PREFIX)
            .is_some_and(|random| random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'))
}
