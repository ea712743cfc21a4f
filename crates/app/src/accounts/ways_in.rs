//! By what somebody comes in. Whoever takes one away leaves at least one: nobody could let them in again.

use domain::UserId;
use store::{PgConnection, identities::Identity};

use crate::{App, AppError};

/// The ways in of a person, which nobody else changes until the transaction ends.
#[derive(Debug)]
pub(super) struct WaysIn {
    pub(super) has_password: bool,
    /// All that are connected, also of issuers that are not named any more.
    pub(super) identities: Vec<Identity>,
    /// Of issuers that are named: by others nobody signs in.
    usable_identities: usize,
    /// Those that are for the host that we have now: by others nobody signs in either.
    usable_passkeys: u64,
}

impl WaysIn {
    /// Those of `user`; [`AppError::Unauthenticated`] if they are disabled. In a transaction, before anything is changed: whoever changes by what the
    /// person signs in does it in turn with others who do.
    pub(super) async fn lock(app: &App, connection: &mut PgConnection, user: UserId) -> Result<Self, AppError> {
        let has_password = store::users::lock_ways_in(connection, user).await?.ok_or(AppError::Unauthenticated)?;
        Self::read(app, connection, user, has_password).await
    }

    /// What of them is left after a change in the same transaction. Refused if that was the last way in.
    pub(super) async fn check_left(&self, app: &App, connection: &mut PgConnection, user: UserId) -> Result<(), AppError> {
        let left = Self::read(app, connection, user, self.has_password).await?;
        // Who had none before loses none: what is of no use may go.
        if left.is_empty() && !self.is_empty() {
            let message = "this is your last way to sign in: set a password, add a passkey or connect another account first";
            return Err(AppError::Conflict { message: message.to_owned() });
        }
        Ok(())
    }

    async fn read(app: &App, connection: &mut PgConnection, user: UserId, has_password: bool) -> Result<Self, AppError> {
        let identities = store::identities::list(connection, user).await?;
        let usable_identities = identities.iter().filter(|known| app.upstreams.find_issuer(&known.issuer).is_some()).count();
        let usable_passkeys = match &app.relying_party {
            Some(relying_party) => store::passkeys::count_for(connection, user, relying_party.id()).await?,
            None => 0,
        };
        Ok(Self { has_password, identities, usable_identities, usable_passkeys })
    }

    const fn is_empty(&self) -> bool {
        !self.has_password && self.usable_identities == 0 && self.usable_passkeys == 0
    }
}
