//! From a browser's cookie to a caller.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{CustomerId, Digest};

use super::{load_person, secret_token::SecretToken};
use crate::{App, AppError, MemberCaller, PersonCaller, Who};

/// How often it is written down that a sign-in was used.
const USED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// A sign-in, as this node remembers it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownSignIn {
    pub(crate) person: PersonCaller,
    used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// Who shows a cookie. [`AppError::Unauthenticated`] if it stands for nobody, or not any more.
pub async fn authenticate(app: &App, cookie: &str) -> Result<PersonCaller, AppError> {
    let digest = SecretToken::digest_of(cookie).ok_or(AppError::Unauthenticated)?;
    let read = || async {
        let found = store::sign_ins::find_by_sha256(&mut *app.pool.acquire().await?, &digest).await?;
        let found = found.ok_or(AppError::Unauthenticated)?;
        let person = PersonCaller { user: found.user, sign_in: found.id };
        Ok(KnownSignIn { person, used_at: found.used_at, expires_at: found.expires_at })
    };
    let known = app.memory.sign_ins.get(&digest, read).await?;
    let now = app.clock.now();
    if known.expires_at <= now || known.used_at <= app.settings.accounts.idle_since(now) {
        return Err(AppError::Unauthenticated);
    }
    // A sign-in of somebody who was disabled is gone; this is for the moment in between.
    load_person(app, known.person.user).await?;
    if now - known.used_at >= USED_EVERY {
        note_use(app, &known, digest, now).await;
    }
    Ok(known.person)
}

/// The caller that a person is who acts for a customer: the one that they name, or the only one that there is. A customer that they do not
/// belong to answers as one that there is not (SEC-17).
pub async fn act_for(app: &App, person: PersonCaller, customer: Option<CustomerId>) -> Result<Who, AppError> {
    let known = load_person(app, person.user).await?;
    let customer = match (customer, known.memberships.as_slice()) {
        (Some(customer), _) => customer,
        (None, [only]) => only.customer,
        (None, []) => return Err(AppError::Forbidden { needed: "to be a member of a customer" }),
        (None, _) => {
            let names = known.memberships.iter().map(|membership| membership.customer.to_string()).collect::<Vec<_>>();
            let message =
                format!("you belong to several customers: name one in the header Toolwright-Customer ({})", names.join(", "));
            return Err(AppError::invalid(message));
        }
    };
    let role = known.role_at(customer).ok_or_else(|| AppError::not_found("customer", customer))?;
    Ok(Who::Member(MemberCaller { user: person.user, sign_in: person.sign_in, customer, role }))
}

/// What is not written down now is at the next use.
async fn note_use(app: &App, known: &KnownSignIn, digest: Digest, now: DateTime<Utc>) {
    let noted = async { store::sign_ins::set_used(&mut *app.pool.acquire().await?, known.person.sign_in, now).await };
    match noted.await {
        Ok(()) => app.memory.sign_ins.drop_one(&digest),
        Err(error) => tracing::warn!(%error, "the use of a sign-in was not written down"),
    }
}
