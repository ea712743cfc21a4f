//! Showing once more who one is. A sign-in lasts for weeks, and whoever finds a browser that was left open is to find no way of staying: what would
//! outlive the sign-in asks for this first.

use chrono::TimeDelta;
use domain::UserId;
use secrecy::SecretString;

use super::{
    AccountError, PasskeyAnswer, Whereabouts, load_person,
    passkeys::{self, Purpose},
};
use crate::{App, AppError, PersonCaller};

/// Who showed so lately by a sign-in who they are need not do it again, if they have nothing else to show.
const NEW_SIGN_IN: TimeDelta = TimeDelta::minutes(10);

/// What somebody shows.
#[derive(Debug, Clone)]
pub enum Proof {
    /// Their password.
    Password(SecretString),
    /// What one of their passkeys answered to [`passkeys::begin_proof`].
    Passkey(PasskeyAnswer),
    /// Nothing but that they signed in a moment ago: for people who have neither of the others.
    NewSignIn,
}

/// Passes if it is the person. Tries are counted for the sign-in: strangers, who fail to sign in as often as they like, keep nobody from changing a
/// password.
pub(super) async fn prove(app: &App, person: PersonCaller, whereabouts: &Whereabouts, proof: Proof) -> Result<(), AccountError> {
    app.outage.check()?;
    let attempt = app.attempts.begin_again(person.sign_in, whereabouts.address, app.clock.now());
    let attempt = attempt.map_err(|retry_after_s| AccountError::TooMany { retry_after_s })?;
    match proof {
        Proof::Password(password) => prove_by_password(app, person, password).await?,
        Proof::Passkey(answer) => prove_by_passkey(app, person, &answer).await?,
        Proof::NewSignIn => prove_by_sign_in(app, person).await?,
    }
    app.attempts.succeeded(attempt);
    Ok(())
}

/// The digest of the person's password; none if they have none.
pub(super) async fn find_password(app: &App, person: PersonCaller) -> Result<Option<String>, AppError> {
    let known = load_person(app, person.user).await?;
    let found = store::users::find_credentials(&mut *app.pool.acquire().await?, &known.email).await?;
    Ok(found.and_then(|found| found.password))
}

async fn prove_by_password(app: &App, person: PersonCaller, password: SecretString) -> Result<(), AccountError> {
    let digest = find_password(app, person).await?;
    if app.passwords.is_right(password, digest).await? { Ok(()) } else { Err(AccountError::WrongPassword) }
}

async fn prove_by_passkey(app: &App, person: PersonCaller, answer: &PasskeyAnswer) -> Result<(), AccountError> {
    let mut transaction = app.pool.begin().await?;
    let user: UserId = passkeys::verify(app, &mut transaction, Purpose::Proof(&person), answer).await?;
    if user != person.user {
        tracing::info!(user = %person.user, "the passkey of somebody else was refused");
        return Err(AccountError::PasskeyRefused);
    }
    transaction.commit().await?;
    Ok(())
}

async fn prove_by_sign_in(app: &App, person: PersonCaller) -> Result<(), AccountError> {
    if find_password(app, person).await?.is_some() {
        return Err(AccountError::ProofNeeded);
    }
    let mut connection = app.pool.acquire().await?;
    if !store::passkeys::list_credential_ids(&mut connection, person.user, 1).await?.is_empty() {
        return Err(AccountError::ProofNeeded);
    }
    let held = store::sign_ins::hold(&mut connection, person.user, person.sign_in).await?.ok_or(AppError::Unauthenticated)?;
    // Who came in by an issuer that did not ask them has shown nothing to anybody.
    let is_fresh = held.authenticated_at.is_some_and(|at| app.clock.now() - at < NEW_SIGN_IN);
    if is_fresh { Ok(()) } else { Err(AccountError::NotFresh) }
}
