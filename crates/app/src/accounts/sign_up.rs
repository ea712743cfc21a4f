//! Signing up.

use domain::{CustomerId, EmailAddress, MemberRole, PersonName, TierName, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use store::{Transaction, customers::Customer, users::User};

use super::{AccountError, NewSignIn, SignUpPolicy, Whereabouts, password_rules, sign_in};
use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    audit::About,
    invitations::{self, OpenInvitation},
};

/// The tier of somebody who signs up.
const TIER: &str = "free";

/// Who signs up, and with what.
#[derive(Debug, Clone)]
pub struct SignUp {
    /// Their address.
    pub email: EmailAddress,
    /// What they are called.
    pub name: PersonName,
    /// Their password to be.
    pub password: SecretString,
    /// The token of an invitation, which opens the door where sign-up is closed.
    pub invitation: Option<String>,
}

/// Makes an account and signs its person in: as a member of the customer that invites them, or else as the owner of a customer of their own.
///
/// That an address has an account already is told, since nothing else can be done with it; how often that can be asked is bounded.
pub async fn sign_up(app: &App, caller: &Caller, whereabouts: Whereabouts, new: SignUp) -> Result<NewSignIn, AccountError> {
    let intent = access::require_change(caller, Operation::SignUp)?;
    let now = app.clock.now();
    let invitation = match &new.invitation {
        Some(token) => Some(invitations::load_for(app, token, &new.email).await?),
        None if app.settings.accounts.sign_up == SignUpPolicy::Closed => return Err(AccountError::SignUpClosed),
        None => None,
    };
    password_rules::check(new.password.expose_secret(), &new.email)?;
    app.outage.check()?;
    // Never taken back: who makes accounts by the dozen is to wait as well.
    let begun = app.attempts.begin_from(whereabouts.address, now);
    begun.map(drop).map_err(|retry_after_s| AccountError::TooMany { retry_after_s })?;
    let digest = app.passwords.digest(new.password).await?;
    let user = User { id: UserId::new(), email: new.email, name: new.name, created_at: now, disabled_at: None };
    let mut deed = intent.begin(app).await?;
    if !store::users::insert(&mut deed, &user, Some(&digest)).await? {
        return Err(AccountError::EmailTaken);
    }
    let invited = invitation.as_ref().map(|invitation| invitation.invitation.invitation_id.to_string());
    let customer = settle(&mut deed, &user, invitation.as_ref()).await?;
    let made = sign_in::begin(app, &mut deed, user.id, &whereabouts.device, Some(now)).await?;
    let about = About::a("user").id(user.id.as_uuid()).of(customer).detail_if("invitation", invited);
    let about = about.detail("device", whereabouts.device);
    deed.by(user.id, made.person.sign_in).commit(about).await?;
    tracing::info!(user = %user.id, "somebody signed up");
    Ok(made)
}

/// Gives somebody new a place, and says at which customer: the one that invites them, or one of their own.
pub(super) async fn settle(
    transaction: &mut Transaction,
    user: &User,
    invitation: Option<&OpenInvitation>,
) -> Result<CustomerId, AccountError> {
    let Some(invitation) = invitation else { return Ok(found(transaction, user).await?) };
    invitations::use_up(transaction, invitation, user.id, user.created_at).await?;
    Ok(invitation.invitation.customer_id)
}

/// A customer of one's own, called as one is called.
async fn found(transaction: &mut Transaction, user: &User) -> Result<CustomerId, AppError> {
    let internal = |error| AppError::internal("cannot name a customer after its owner", error);
    let name = user.name.as_str().parse().map_err(internal)?;
    let tier: TierName = TIER.parse().map_err(internal)?;
    let customer = Customer { id: CustomerId::new(), name, tier, created_at: user.created_at };
    store::customers::insert(transaction, &customer).await?;
    store::members::insert(transaction, customer.id, user.id, MemberRole::Owner, user.created_at).await?;
    Ok(customer.id)
}
