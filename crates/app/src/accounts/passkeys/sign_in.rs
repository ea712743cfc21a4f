//! Signing in with a passkey.

use super::{
    assertion,
    ceremony::{Ceremony, PasskeyAnswer, Purpose},
};
use crate::{
    App, Caller,
    access::{self, Operation},
    accounts::{AccountError, NewSignIn, Whereabouts, forget_sign_ins, sign_in},
    audit::{self, About, Refused},
};

/// What the audit log calls it.
const BY: &str = "passkey";

/// What somebody signs in with.
#[derive(Debug, Clone)]
pub struct PasskeySignIn {
    /// What stands for the browser: the same as when it was begun, and nobody else's.
    pub browser: String,
    /// What the passkey answered.
    pub answer: PasskeyAnswer,
    /// The cookie that the browser has, whose sign-in this one takes the place of.
    pub cookie: Option<String>,
}

/// Asks whoever is there for one of their passkeys: nobody says who they are, so nobody learns who has an account. Nothing is kept of it.
pub fn begin_sign_in(app: &App, caller: &Caller, browser: &str) -> Result<Ceremony, AccountError> {
    access::require(caller, Operation::BeginPasskeySignIn)?;
    assertion::begin(app, Purpose::SignIn(browser), Vec::new())
}

/// Signs in whose passkey answered: with a new token, whatever the browser had before (session fixation). Whatever is wrong with an answer is
/// refused in the same words.
pub async fn finish_sign_in(
    app: &App,
    caller: &Caller,
    whereabouts: Whereabouts,
    new: PasskeySignIn,
) -> Result<NewSignIn, AccountError> {
    let intent = access::require_change(caller, Operation::SignInByPasskey)?;
    app.outage.check()?;
    let attempt = app.attempts.begin_from(whereabouts.address, app.clock.now());
    let attempt = attempt.map_err(|retry_after_s| AccountError::TooMany { retry_after_s })?;
    let mut deed = intent.begin(app).await?;
    let user = match assertion::verify(app, &mut deed, Purpose::SignIn(&new.browser), &new.answer).await {
        // One that comes too late, or a second time, signs nobody in either.
        Err(error @ (AccountError::PasskeyRefused | AccountError::CeremonyOver)) => {
            drop(deed);
            record_refusal(app, caller, &whereabouts, &new.answer).await;
            return Err(error);
        }
        verified => verified?,
    };
    // Whoever disables the person from here on ends this sign-in, too.
    if !store::users::hold(&mut deed, user).await? {
        drop(deed);
        record_refusal(app, caller, &whereabouts, &new.answer).await;
        tracing::info!(%user, "a passkey of somebody who is disabled was refused");
        return Err(AccountError::PasskeyRefused);
    }
    let replaced = sign_in::replace(&mut deed, new.cookie.as_deref()).await?;
    let made = sign_in::begin(app, &mut deed, user, &whereabouts.device, Some(app.clock.now())).await?;
    let about = About::a("sign_in").id(made.person.sign_in.as_uuid());
    deed.by(user, made.person.sign_in).commit(about.detail("by", BY).detail("device", whereabouts.device)).await?;
    app.attempts.succeeded(attempt);
    forget_sign_ins(app, replaced.into_iter().collect());
    tracing::info!(%user, "somebody signed in with a passkey");
    Ok(made)
}

/// Writes down that somebody did not sign in, and whose passkey they seem to have shown.
async fn record_refusal(app: &App, caller: &Caller, whereabouts: &Whereabouts, answer: &PasskeyAnswer) {
    // It is refused as well where that cannot be read.
    let user = assertion::whose(app, answer).await.unwrap_or_default();
    audit::record_refused_sign_in(app, caller, Refused { user, by: BY, device: &whereabouts.device }).await;
}
