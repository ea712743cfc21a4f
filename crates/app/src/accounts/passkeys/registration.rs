//! Adding a passkey.

use domain::{PasskeyId, PasskeyName};
use serde_json::json;
use store::passkeys::{NewCredential, Passkey as KeptPasskey};
use webauthn_rs::prelude::{PasskeyRegistration, RegisterPublicKeyCredential};

use super::{
    LISTED_MAX, PASSKEYS_MAX, PasskeyView,
    ceremony::{self, Ceremony, PasskeyAnswer, Purpose},
};
use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    accounts::{AccountError, Proof, Whereabouts, load_person, step_up},
    audit::About,
};

/// Bytes of a public key as it is kept, with whatever the authenticator says of itself.
const CREDENTIAL_BYTES_MAX: usize = 16 * 1024;

/// Begins to add a passkey for whoever is signed in, and has just shown that it is they: what is added stays when the sign-in has ended.
pub async fn begin_registration(
    app: &App,
    caller: &Caller,
    whereabouts: &Whereabouts,
    proof: Proof,
) -> Result<Ceremony, AccountError> {
    let person = access::require_person(caller, Operation::BeginPasskey)?;
    let relying_party = app.relying_party.as_ref().ok_or(AccountError::NoPasskeys)?;
    step_up::prove(app, person, whereabouts, proof).await?;
    let known = store::passkeys::list_credential_ids(&mut *app.pool.acquire().await?, person.user, LISTED_MAX).await?;
    if known.len() >= PASSKEYS_MAX {
        return Err(AccountError::TooManyPasskeys);
    }
    let about = load_person(app, person.user).await?;
    let begun = relying_party.rules().start_passkey_registration(
        person.user.as_uuid(),
        about.email.as_str(),
        about.name.as_str(),
        Some(known),
    );
    let (options, expected) = begun.map_err(|error| AppError::internal("cannot ask for a new passkey", error))?;
    let mut options = ceremony::options(options)?;
    // One that the authenticator finds without being told whose it is: people sign in with it and with nothing else (section 5.4.4).
    ceremony::set(&mut options, "/authenticatorSelection/residentKey", json!("required"))?;
    ceremony::set(&mut options, "/authenticatorSelection/requireResidentKey", json!(true))?;
    Ok(ceremony::begin(app, Purpose::Registration(&person), options, expected)?)
}

/// Adds the passkey that answered, in the sign-in in which it was begun (section 7.1).
pub async fn finish_registration(
    app: &App,
    caller: &Caller,
    answer: &PasskeyAnswer,
    name: PasskeyName,
) -> Result<PasskeyView, AccountError> {
    let (person, intent) = access::require_person_change(caller, Operation::AddPasskey)?;
    let relying_party = app.relying_party.as_ref().ok_or(AccountError::NoPasskeys)?;
    let rules = relying_party.rules();
    let state = ceremony::open::<PasskeyRegistration>(app, Purpose::Registration(&person), &answer.state)?;
    let refused = |reason: &dyn std::fmt::Display| {
        tracing::info!(user = %person.user, %reason, "a new passkey was refused");
        AccountError::PasskeyRefused
    };
    let credential: RegisterPublicKeyCredential = serde_json::from_str(&answer.credential).map_err(|error| refused(&error))?;
    if credential.extensions.cred_props.as_ref().and_then(|properties| properties.rk) == Some(false) {
        return Err(refused(&"it cannot be found without a name"));
    }
    let passkey = rules.finish_passkey_registration(&credential, &state.expected).map_err(|error| refused(&error))?;
    let failed = |error| AppError::internal("cannot write a passkey", error);
    let kept = serde_json::to_string(&passkey).map_err(failed)?;
    if kept.len() > CREDENTIAL_BYTES_MAX {
        return Err(refused(&"it says too much of itself"));
    }
    let new = KeptPasskey { id: PasskeyId::new(), user: person.user, name, created_at: app.clock.now(), used_at: None };
    let mut deed = intent.begin(app).await?;
    // Whoever changed the password or signed out everywhere meanwhile ended this as well; and people add one after the other.
    let is_still_there = store::users::lock_ways_in(&mut deed, person.user).await?.is_some()
        && store::sign_ins::hold(&mut deed, person.user, person.sign_in).await?.is_some();
    if !is_still_there {
        return Err(AppError::Unauthenticated.into());
    }
    if store::passkeys::list_credential_ids(&mut deed, person.user, LISTED_MAX).await?.len() >= PASSKEYS_MAX {
        return Err(AccountError::TooManyPasskeys);
    }
    state.end(&mut deed).await?;
    let credential = NewCredential { id: passkey.cred_id(), text: &kept, rp_id: relying_party.id() };
    if !store::passkeys::insert(&mut deed, &new, credential).await? {
        return Err(refused(&"somebody has it"));
    }
    deed.commit(About::a("passkey").id(new.id.as_uuid()).named(&new.name)).await?;
    tracing::info!(user = %person.user, passkey = %new.id, "somebody added a passkey");
    Ok(new.into())
}
