//! Accounts of people: signing up, in and out, and what one may do about oneself.

pub mod activity;
mod attempts;
mod authentication;
mod identities;
mod own;
pub mod passkeys;
mod password_rules;
mod passwords;
mod people;
mod secret_token;
mod sign_in;
mod sign_up;
mod step_up;
pub mod upstream;
mod users;
mod ways_in;

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, Utc};
use domain::{EmailAddress, SignInId};

pub(crate) use self::people::MEMBERSHIPS_MAX;
pub(crate) use self::{
    attempts::Attempts,
    authentication::KnownSignIn,
    passkeys::RelyingParty,
    passwords::Passwords,
    people::{Person, load as load_person},
    secret_token::random_token,
    upstream::Upstreams,
};
pub use self::{
    authentication::{act_for, authenticate},
    identities::{IdentityView, disconnect, list as list_identities},
    own::{
        Account, LetIn, Membership, PasswordChange, SignInView, change_password, end_sign_in, load, sign_out, sign_out_everywhere,
    },
    passkeys::PasskeyAnswer,
    password_rules::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, PasswordFault},
    secret_token::SecretToken,
    sign_in::{SignIn, sign_in},
    sign_up::{SignUp, sign_up},
    step_up::Proof,
    users::{IsDisabled, UserView, change_user, list_users},
};
use crate::{App, AppError, PersonCaller};

/// Sign-ins of a person that are kept; the oldest makes room.
const SIGN_INS_MAX: i64 = 50;

/// What whoever runs the platform decides about accounts.
#[derive(Debug, Clone, Copy)]
pub struct AccountSettings {
    /// Who may sign up.
    pub sign_up: SignUpPolicy,
    /// How long a sign-in stands without being used.
    pub sign_in_idle: Duration,
    /// How long a sign-in stands however much it is used.
    pub sign_in_lifetime: Duration,
    /// Passwords that are digested at one time.
    pub password_threads: usize,
}

/// Who may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUpPolicy {
    /// Anyone, as a customer of tier `free` of their own.
    Open,
    /// Whoever is invited.
    Closed,
}

/// Where a request of a person comes from.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    /// The address of whoever sent it.
    pub address: IpAddr,
    /// What it was sent with, in words, such as "Firefox on Linux".
    pub device: String,
}

/// A sign-in that has just begun.
#[derive(Debug)]
pub struct NewSignIn {
    /// Who it is of.
    pub person: PersonCaller,
    /// What the browser's cookie is to hold; it is given back here and never again.
    pub token: SecretToken,
    /// From when on it stands for nobody.
    pub expires_at: DateTime<Utc>,
}

/// Why something about an account was not done. All but the last are for whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The address has no account, or another password, or the account is disabled: which, is not told.
    #[error("the e-mail address or the password is not right")]
    Refused,
    /// The password that the person has is another.
    #[error("this is not your password")]
    WrongPassword,
    /// Too many tries went wrong.
    #[error("too many attempts: try again in {}", in_words(*retry_after_s))]
    TooMany {
        /// Seconds until the next may begin, 1 at least.
        retry_after_s: u32,
    },
    /// Whoever is signed in has to show once more who they are.
    #[error("show first that it is you: by your password, or by a passkey that you have")]
    ProofNeeded,
    /// Nobody can have passkeys here.
    #[error("there are no passkeys here: they need https and a host with a name")]
    NoPasskeys,
    /// The passkey's answer is not right, or nobody has it here: which, is not told.
    #[error("this passkey was not accepted")]
    PasskeyRefused,
    /// What was begun is too old, or ended, or was begun elsewhere.
    #[error("this took too long, or was answered already: try again")]
    CeremonyOver,
    /// The person has as many as there may be.
    #[error("you have {} passkeys, as many as one can have: remove one first", passkeys::PASSKEYS_MAX)]
    TooManyPasskeys,
    /// They have no password, and signed in too long ago to go on without one.
    #[error("you signed in too long ago for this: sign in once more, and do it within ten minutes")]
    NotFresh,
    /// The password that is to be is not taken.
    #[error(transparent)]
    Password(#[from] PasswordFault),
    /// Somebody has the address.
    #[error("there is an account with this e-mail address: sign in instead")]
    EmailTaken,
    /// Nobody may sign up without an invitation.
    #[error("one needs an invitation to sign up here")]
    SignUpClosed,
    /// The invitation was used, taken back, or is too old, or never was.
    #[error("this invitation was used, taken back, or has expired: ask whoever sent it for another one")]
    InvitationGone,
    /// The invitation is for somebody else.
    #[error("this invitation is for {0}: use that address")]
    InvitationForAnother(EmailAddress),
    /// It failed for another reason.
    #[error(transparent)]
    App(#[from] AppError),
}

impl From<store::StoreError> for AccountError {
    fn from(error: store::StoreError) -> Self {
        Self::App(error.into())
    }
}

impl AccountSettings {
    /// How long a sign-in stands without being used, if nobody says otherwise: over a holiday.
    pub const SIGN_IN_IDLE: Duration = Duration::from_hours(14 * 24);
    /// How long a sign-in stands, if nobody says otherwise.
    pub const SIGN_IN_LIFETIME: Duration = Duration::from_hours(90 * 24);

    /// When a sign-in was used last, at the latest, that stands for nobody any more.
    fn idle_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now - self.sign_in_idle
    }
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            sign_up: SignUpPolicy::Open,
            sign_in_idle: Self::SIGN_IN_IDLE,
            sign_in_lifetime: Self::SIGN_IN_LIFETIME,
            password_threads: 1,
        }
    }
}

/// Deletes sign-ins that stand for nobody any more, and what is remembered of issuers' answers that nobody can bring again.
pub(crate) async fn sweep(app: &App, batch: i64) -> Result<(), AppError> {
    let now = app.clock.now();
    let idle_since = app.settings.accounts.idle_since(now);
    let mut connection = app.pool.acquire().await?;
    while store::sign_ins::delete_expired(&mut connection, now, idle_since, batch).await? >= batch.unsigned_abs() {}
    while store::identities::delete_expired_answers(&mut connection, now, batch).await? >= batch.unsigned_abs() {}
    drop(connection);
    passkeys::sweep(app, batch).await
}

/// Ends what this node remembers of sign-ins; the others hear of it from the database.
fn forget_sign_ins(app: &App, ended: Vec<SignInId>) {
    app.memory.forget_sign_ins(ended);
}

fn in_words(seconds: u32) -> String {
    match seconds {
        0..=1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}
