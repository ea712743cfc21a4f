//! Signing in by e-mail address and password.

use chrono::{DateTime, Utc};
use domain::{EmailAddress, SignInId, UserId};
use secrecy::SecretString;
use store::PgConnection;

use super::{AccountError, NewSignIn, SIGN_INS_MAX, Whereabouts, forget_sign_ins, random_token, secret_token::SecretToken};
use crate::{
    App, AppError, Caller, PersonCaller,
    access::{self, Operation},
    audit::{self, About, Refused},
};

/// Characters of a device's words that are kept.
const DEVICE_CHARS_MAX: usize = 120;

/// What somebody signs in with.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The address, as it was typed.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// The cookie that the browser has, whose sign-in this one takes the place of.
    pub cookie: Option<String>,
}

/// Signs somebody in: with a new token, whatever the browser had before (session fixation). An address without an account is refused in the
/// same words as a wrong password, and after the same work.
pub async fn sign_in(app: &App, caller: &Caller, whereabouts: Whereabouts, new: SignIn) -> Result<NewSignIn, AccountError> {
    let intent = access::require_change(caller, Operation::SignIn)?;
    let email = EmailAddress::of(&new.email).map_err(|_| AccountError::Refused);
    // What is no address at all is nobody's, and is refused without a look.
    let email = email?;
    // Nobody is to wait for tries that could not be decided.
    app.outage.check()?;
    let attempt = app.attempts.begin(&email, whereabouts.address, app.clock.now());
    let attempt = attempt.map_err(|retry_after_s| AccountError::TooMany { retry_after_s })?;
    let found = store::users::find_credentials(&mut *app.pool.acquire().await?, &email).await?;
    let digest = found.as_ref().and_then(|found| found.password.clone());
    let is_right = app.passwords.is_right(new.password, digest.clone()).await?;
    let account = found.as_ref().map(|found| found.user);
    let user = found.filter(|found| is_right && !found.is_disabled).map(|found| found.user);
    let refused = async || refused(app, caller, account, &whereabouts.device).await;
    let (Some(user), Some(digest)) = (user, digest) else { return Err(refused().await) };
    let mut deed = intent.begin(app).await?;
    // Some time has gone by: whoever changed the password or disabled the person meanwhile ended the sign-ins that there were.
    if !store::users::hold_password(&mut deed, user, &digest).await? {
        drop(deed);
        return Err(refused().await);
    }
    let replaced = replace(&mut deed, new.cookie.as_deref()).await?;
    let made = begin(app, &mut deed, user, &whereabouts.device, Some(app.clock.now())).await?;
    let about = About::a("sign_in").id(made.person.sign_in.as_uuid());
    deed.by(user, made.person.sign_in).commit(about.detail("by", "password").detail("device", whereabouts.device)).await?;
    app.attempts.succeeded(attempt);
    forget_sign_ins(app, replaced.into_iter().collect());
    tracing::info!(%user, "somebody signed in");
    Ok(made)
}

async fn refused(app: &App, caller: &Caller, user: Option<UserId>, device: &str) -> AccountError {
    tracing::info!("a sign-in was refused");
    audit::record_refused_sign_in(app, caller, Refused { user, by: "password", device }).await;
    AccountError::Refused
}

/// Ends the sign-in that a browser's cookie stands for, whose place another takes; says which.
pub(super) async fn replace(connection: &mut PgConnection, cookie: Option<&str>) -> Result<Option<SignInId>, AppError> {
    let Some(digest) = cookie.and_then(SecretToken::digest_of) else { return Ok(None) };
    let Some(replaced) = store::sign_ins::find_by_sha256(connection, &digest).await? else { return Ok(None) };
    store::sign_ins::delete(connection, replaced.user, replaced.id).await?;
    Ok(Some(replaced.id))
}

/// Begins a sign-in of somebody who has shown who they are: at this moment, or when, as far as it is known, they last did so to an issuer that
/// lets them in.
pub(super) async fn begin(
    app: &App,
    connection: &mut PgConnection,
    user: UserId,
    device: &str,
    authenticated_at: Option<DateTime<Utc>>,
) -> Result<NewSignIn, AppError> {
    let (token, now) = (random_token()?, app.clock.now());
    let expires_at = now + app.settings.accounts.sign_in_lifetime;
    let kept = store::sign_ins::SignIn {
        id: SignInId::new(),
        user,
        device: device.chars().take(DEVICE_CHARS_MAX).collect(),
        created_at: now,
        used_at: now,
        expires_at,
        authenticated_at,
    };
    store::sign_ins::insert(connection, &kept, &token.digest(), SIGN_INS_MAX).await?;
    Ok(NewSignIn { person: PersonCaller { user, sign_in: kept.id }, token, expires_at })
}
