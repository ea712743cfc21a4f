//! Authorization requests that wait for somebody to sign in and to decide. The browser carries them, sealed: whoever never comes back leaves
//! nothing here, and what comes back is what was looked at when it came.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    App, AppError, PersonCaller,
    seals::{self, SealedFor},
};

/// A request that waits for somebody to sign in; whoever has the browser then is asked.
const SIGN_IN: &str = "authorization request before sign-in";
/// A request that waits for one who has signed in to decide; only in that sign-in does it open.
const DECISION: &str = "authorization request before consent";
/// To make an account, find a password and read what is asked.
const WAIT: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRequest {
    /// Its query, as the client wrote it.
    pub query: String,
    /// Sign-ins that are older than this do not count: the client asked for a new one. Ids of sign-ins are in the order of time.
    sign_in_after: Option<Uuid>,
}

impl PendingRequest {
    /// A request for whoever is signed in, or signs in.
    #[must_use]
    pub const fn new(query: String) -> Self {
        Self { query, sign_in_after: None }
    }

    /// The same for somebody who signs in from now on.
    #[must_use]
    pub fn after_new_sign_in(self) -> Self {
        Self { sign_in_after: Some(Uuid::now_v7()), ..self }
    }

    /// Whether the person's sign-in counts for it.
    #[must_use]
    pub fn accepts(&self, person: &PersonCaller) -> bool {
        self.sign_in_after.is_none_or(|moment| person.sign_in.as_uuid() > moment)
    }

    /// The request for the way to the sign-in and back.
    pub fn seal(&self, app: &App) -> Result<String, AppError> {
        self.seal_for(app, SealedFor { purpose: SIGN_IN, bound_to: &[] })
    }

    /// The request that [`PendingRequest::seal`] sealed within the last hour.
    #[must_use]
    pub fn open(app: &App, sealed: &str) -> Option<Self> {
        Self::open_for(app, SealedFor { purpose: SIGN_IN, bound_to: &[] }, sealed)
    }

    /// The request for the form in which the person decides.
    pub fn seal_for_decision(&self, app: &App, person: &PersonCaller) -> Result<String, AppError> {
        self.seal_for(app, SealedFor { purpose: DECISION, bound_to: person.sign_in.as_uuid().as_bytes() })
    }

    /// The request that [`PendingRequest::seal_for_decision`] sealed for the same sign-in within the last hour.
    #[must_use]
    pub fn open_for_decision(app: &App, person: &PersonCaller, sealed: &str) -> Option<Self> {
        Self::open_for(app, SealedFor { purpose: DECISION, bound_to: person.sign_in.as_uuid().as_bytes() }, sealed)
    }

    fn seal_for(&self, app: &App, sealed_for: SealedFor<'_>) -> Result<String, AppError> {
        let failed = |error| AppError::internal("cannot write a pending authorization request", error);
        let text = serde_json::to_vec(self).map_err(failed)?;
        seals::seal(app, sealed_for, app.clock.now() + WAIT, &text)
    }

    fn open_for(app: &App, sealed_for: SealedFor<'_>, sealed: &str) -> Option<Self> {
        serde_json::from_slice(&seals::open(app, sealed_for, sealed)?).ok()
    }
}
