//! What a browser carries between the begin and the end of a ceremony.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{SignInId, UserId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use store::PgConnection;
use uuid::Uuid;

use crate::{
    App, AppError, PersonCaller,
    accounts::AccountError,
    seals::{self, SealedFor},
};

/// From begin to end: to find the device and to unlock it (section 5.4, "timeout").
pub(super) const WAIT: Duration = Duration::from_mins(5);

/// What a ceremony begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    /// The options for the browser's `navigator.credentials`, with bytes as base64url (section 5.1.8).
    pub options: Value,
    /// What comes back with the answer, for us alone.
    pub state: String,
}

/// What a browser brings at the end.
#[derive(Debug, Clone)]
pub struct PasskeyAnswer {
    /// The state that the ceremony began with.
    pub state: String,
    /// The browser's `PublicKeyCredential` as JSON, with bytes as base64url.
    pub credential: String,
}

/// What a ceremony is for, and who may end it: one that was begun for anything else does not end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::accounts) enum Purpose<'a> {
    /// To add a passkey, in the sign-in where it was begun.
    Registration(&'a PersonCaller),
    /// To show that whoever is signed in is still there, in the same sign-in.
    Proof(&'a PersonCaller),
    /// To sign in, in the browser where it was begun: what its forms carry.
    SignIn(&'a str),
}

/// What is sealed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State<T> {
    ceremony: Uuid,
    until: DateTime<Utc>,
    /// What the answer is held against.
    pub(super) expected: T,
}

impl Purpose<'_> {
    fn sealed<T>(&self, with: impl FnOnce(SealedFor<'_>) -> T) -> T {
        let (purpose, bound_to) = match self {
            Self::Registration(person) => ("passkey registration", of_sign_in(person)),
            Self::Proof(person) => ("passkey proof", of_sign_in(person)),
            Self::SignIn(browser) => ("passkey sign-in", browser.as_bytes().to_vec()),
        };
        with(SealedFor { purpose, bound_to: &bound_to })
    }
}

/// The user beside the sign-in: neither alone would be enough if ids were ever given out twice.
fn of_sign_in(person: &PersonCaller) -> Vec<u8> {
    [UserId::as_uuid(person.user).into_bytes(), SignInId::as_uuid(person.sign_in).into_bytes()].concat()
}

/// Begins a ceremony.
pub(super) fn begin<T: Serialize>(app: &App, purpose: Purpose<'_>, options: Value, expected: T) -> Result<Ceremony, AppError> {
    let until = app.clock.now() + WAIT;
    let state = State { ceremony: Uuid::now_v7(), until, expected };
    let failed = |error| AppError::internal("cannot write the state of a passkey ceremony", error);
    let text = serde_json::to_vec(&state).map_err(failed)?;
    let state = purpose.sealed(|sealed_for| seals::seal(app, sealed_for, until, &text))?;
    Ok(Ceremony { options, state })
}

/// What was begun for the same purpose by the same within [`WAIT`].
pub(super) fn open<T: DeserializeOwned>(app: &App, purpose: Purpose<'_>, state: &str) -> Result<State<T>, AccountError> {
    let text = purpose.sealed(|sealed_for| seals::open(app, sealed_for, state)).ok_or(AccountError::CeremonyOver)?;
    let failed = |error| AppError::internal("cannot read the state of a passkey ceremony", error);
    Ok(serde_json::from_slice(&text).map_err(failed)?)
}

impl<T> State<T> {
    /// Ends it, once and for all nodes, when the transaction does.
    pub(super) async fn end(&self, connection: &mut PgConnection) -> Result<(), AccountError> {
        if store::passkeys::end_ceremony(connection, self.ceremony, self.until).await? {
            return Ok(());
        }
        tracing::warn!("an answer of a passkey came a second time");
        Err(AccountError::CeremonyOver)
    }
}

/// The part of a library's options that browsers take: without what would make them wait in the background.
pub(super) fn options(options: impl Serialize) -> Result<Value, AppError> {
    let failed = |error| AppError::internal("cannot write the options of a passkey ceremony", error);
    let mut whole = serde_json::to_value(options).map_err(failed)?;
    Ok(whole.get_mut("publicKey").map(Value::take).unwrap_or_default())
}

/// Puts another value in the place of one that the options have (RFC 6901).
pub(super) fn set(options: &mut Value, place: &str, value: Value) -> Result<(), AppError> {
    let failed = || AppError::internal("cannot change the options of a passkey ceremony", format!("there is no {place}"));
    *options.pointer_mut(place).ok_or_else(failed)? = value;
    Ok(())
}
