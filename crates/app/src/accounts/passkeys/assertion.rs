//! What a passkey signs to show that its person is there.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::UserId;
use serde_json::{Value, json};
use store::{
    PgConnection,
    passkeys::{Held, UsedCredential},
};
use webauthn_rs::prelude::{
    AuthenticationResult, DiscoverableAuthentication, Passkey, PublicKeyCredential, RequestChallengeResponse, WebauthnError,
};

use super::{
    LISTED_MAX,
    ceremony::{self, Ceremony, PasskeyAnswer, Purpose},
};
use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    accounts::AccountError,
};

/// Asks whoever is signed in to show by one of their passkeys that they are still there.
pub async fn begin_proof(app: &App, caller: &Caller) -> Result<Ceremony, AccountError> {
    let person = access::require_person(caller, Operation::BeginPasskeyProof)?;
    let known = store::passkeys::list_credential_ids(&mut *app.pool.acquire().await?, person.user, LISTED_MAX).await?;
    let allowed = known.iter().map(|id| json!({ "type": "public-key", "id": BASE64_URL_SAFE_NO_PAD.encode(id) }));
    begin(app, Purpose::Proof(&person), allowed.collect())
}

/// Asks for a signature by one of `allowed`, or by any passkey that the authenticator finds if there are none. The authenticator must have
/// verified its user: a passkey stands for two factors.
pub(super) fn begin(app: &App, purpose: Purpose<'_>, allowed: Vec<Value>) -> Result<Ceremony, AccountError> {
    let relying_party = app.relying_party.as_ref().ok_or(AccountError::NoPasskeys)?;
    let begun = relying_party.rules().start_discoverable_authentication();
    let (options, expected): (RequestChallengeResponse, DiscoverableAuthentication) =
        begun.map_err(|error| AppError::internal("cannot ask for a passkey", error))?;
    let mut options = ceremony::options(options)?;
    ceremony::set(&mut options, "/allowCredentials", Value::Array(allowed))?;
    Ok(ceremony::begin(app, purpose, options, expected)?)
}

/// Whose passkey answered. The passkey's counter goes on and the ceremony ends with the transaction, which must be rolled back if it is refused
/// (sections 7.2 and 6.1.1).
pub(in crate::accounts) async fn verify(
    app: &App,
    transaction: &mut PgConnection,
    purpose: Purpose<'_>,
    answer: &PasskeyAnswer,
) -> Result<UserId, AccountError> {
    let state = ceremony::open::<DiscoverableAuthentication>(app, purpose, &answer.state)?;
    let credential: PublicKeyCredential = serde_json::from_str(&answer.credential).map_err(|error| {
        tracing::info!(%error, "a passkey's answer cannot be read");
        AccountError::PasskeyRefused
    })?;
    let held = store::passkeys::hold(transaction, credential.get_credential_id()).await?;
    let held = held.ok_or_else(|| {
        tracing::info!("a passkey was refused that nobody has here");
        AccountError::PasskeyRefused
    })?;
    let failed = |error| AppError::internal("cannot read a passkey", error);
    let mut passkey: Passkey = serde_json::from_str(&held.credential).map_err(failed)?;
    let result = check(app, &credential, &held, &state.expected, &passkey)?;
    passkey.update_credential(&result);
    let failed = |error| AppError::internal("cannot write a passkey", error);
    let kept = serde_json::to_string(&passkey).map_err(failed)?;
    let relying_party = app.relying_party.as_ref().ok_or(AccountError::NoPasskeys)?;
    let used = UsedCredential { text: &kept, rp_id: relying_party.id() };
    store::passkeys::set_used(transaction, held.id, used, app.clock.now()).await?;
    state.end(transaction).await?;
    Ok(held.user)
}

/// Whose passkey an answer says that it is of, whatever else is wrong with it.
pub(super) async fn whose(app: &App, answer: &PasskeyAnswer) -> Result<Option<UserId>, AppError> {
    let Ok(credential) = serde_json::from_str::<PublicKeyCredential>(&answer.credential) else { return Ok(None) };
    Ok(store::passkeys::find_user(&mut *app.pool.acquire().await?, credential.get_credential_id()).await?)
}

fn check(
    app: &App,
    credential: &PublicKeyCredential,
    held: &Held,
    expected: &DiscoverableAuthentication,
    passkey: &Passkey,
) -> Result<AuthenticationResult, AccountError> {
    let rules = app.relying_party.as_ref().ok_or(AccountError::NoPasskeys)?.rules();
    let refused = |error: WebauthnError| {
        tracing::info!(user = %held.user, passkey = %held.id, %error, "a passkey was refused");
        AccountError::PasskeyRefused
    };
    // Whom the authenticator says that the key is of (section 7.2, step 6).
    let (user, _) = rules.identify_discoverable_authentication(credential).map_err(refused)?;
    if user != held.user.as_uuid() {
        return Err(refused(WebauthnError::InvalidUserUniqueId));
    }
    let checked = rules.finish_discoverable_authentication_v2(credential, expected.clone(), passkey);
    let result = checked.map_err(|error| {
        if matches!(error, WebauthnError::CredentialPossibleCompromise) {
            tracing::warn!(user = %held.user, passkey = %held.id, "a passkey's counter went back: there may be a copy of it");
        }
        refused(error)
    })?;
    if result.user_verified() { Ok(result) } else { Err(refused(WebauthnError::UserNotVerified)) }
}
