//! Passkeys: signing in with what a device or a password manager keeps (Web Authentication Level 3), beside the password.
//!
//! A ceremony has a begin, whose options a browser hands to an authenticator, and an end, which takes the authenticator's answer. What must be
//! known in between the browser carries, sealed; one that ended well is remembered until its seal counts no more, so that an answer counts once.

mod assertion;
mod ceremony;
mod registration;
mod relying_party;
mod sign_in;

use chrono::{DateTime, Utc};
use domain::{PasskeyId, PasskeyName};
use store::passkeys::Passkey;

pub(crate) use self::relying_party::RelyingParty;
pub use self::{
    assertion::begin_proof,
    ceremony::{Ceremony, PasskeyAnswer},
    registration::{begin_registration, finish_registration},
    sign_in::{PasskeySignIn, begin_sign_in, finish_sign_in},
};
pub(super) use self::{assertion::verify, ceremony::Purpose};
use super::{step_up, ways_in::WaysIn};
use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    audit::About,
};

/// Passkeys of one person: more than people have devices.
pub const PASSKEYS_MAX: usize = 20;
/// The same, as statements take it.
const LISTED_MAX: i64 = 20;

/// A passkey, as its person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyView {
    /// Its id.
    pub passkey_id: PasskeyId,
    /// What they call it.
    pub name: PasskeyName,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When they came in by it last; absent if they never did.
    pub used_at: Option<DateTime<Utc>>,
}

/// What a person sees who looks after their passkeys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkeys {
    /// Theirs, newest first.
    pub passkeys: Vec<PasskeyView>,
    /// Whether they have a password, which is asked for before another passkey is added.
    pub has_password: bool,
}

/// The passkeys of whoever asks, and what they have to show to add another.
pub async fn load(app: &App, caller: &Caller) -> Result<Passkeys, AppError> {
    let person = access::require_person(caller, Operation::ListPasskeys)?;
    let has_password = step_up::find_password(app, person).await?.is_some();
    let found = store::passkeys::list(&mut *app.pool.acquire().await?, person.user, LISTED_MAX).await?;
    Ok(Passkeys { passkeys: found.into_iter().map(PasskeyView::from).collect(), has_password })
}

/// Calls a passkey of whoever asks something else.
pub async fn rename(app: &App, caller: &Caller, passkey: PasskeyId, name: PasskeyName) -> Result<PasskeyView, AppError> {
    let (person, intent) = access::require_person_change(caller, Operation::RenamePasskey)?;
    let mut deed = intent.begin(app).await?;
    let renamed = store::passkeys::rename(&mut deed, person.user, passkey, &name).await?;
    let renamed = renamed.ok_or_else(|| AppError::not_found("passkey", passkey))?;
    deed.commit(About::a("passkey").id(passkey.as_uuid()).named(&name)).await?;
    Ok(renamed.into())
}

/// Removes a passkey of whoever asks: nobody comes in by it from now on. Sign-ins that were made by it go on until they are ended. The last way in
/// stays.
pub async fn remove(app: &App, caller: &Caller, passkey: PasskeyId) -> Result<(), AppError> {
    let (person, intent) = access::require_person_change(caller, Operation::RemovePasskey)?;
    let mut deed = intent.begin(app).await?;
    let ways_in = WaysIn::lock(app, &mut deed, person.user).await?;
    let removed = store::passkeys::delete(&mut deed, person.user, passkey).await?;
    let removed = removed.ok_or_else(|| AppError::not_found("passkey", passkey))?;
    ways_in.check_left(app, &mut deed, person.user).await?;
    deed.commit(About::a("passkey").id(passkey.as_uuid()).named(&removed.name)).await?;
    tracing::info!(user = %person.user, "somebody removed a passkey");
    Ok(())
}

/// Deletes what is remembered of ceremonies whose answers count no more anyway.
pub(super) async fn sweep(app: &App, batch: i64) -> Result<(), AppError> {
    let now = app.clock.now();
    while store::passkeys::delete_ended_ceremonies(&mut *app.pool.acquire().await?, now, batch).await? >= batch.unsigned_abs() {}
    Ok(())
}

impl From<Passkey> for PasskeyView {
    fn from(passkey: Passkey) -> Self {
        let Passkey { id, user: _, name, created_at, used_at } = passkey;
        Self { passkey_id: id, name, created_at, used_at }
    }
}
