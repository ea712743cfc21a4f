//! Who somebody is here whom an issuer knows.

use domain::{CustomerId, EmailAddress, IdentityId, PersonName, UserId};
use store::{Transaction, identities::Identity, users::User};

use super::{UpstreamError, UpstreamSettings, provider::Provider, redeem::Somebody};
use crate::{
    App, AppError, PersonCaller,
    accounts::{AccountError, NewSignIn, SignUpPolicy, Whereabouts, forget_sign_ins, sign_in, sign_up},
    audit::{About, Intent},
    invitations,
};

/// Identities of one person: more would be a mistake, or somebody's stock of them.
const IDENTITIES_MAX: usize = 20;

/// Somebody who comes in by an issuer.
pub(super) struct Coming<'a> {
    pub(super) whereabouts: &'a Whereabouts,
    pub(super) somebody: &'a Somebody,
    /// The token of an invitation.
    pub(super) invitation: Option<String>,
    /// The cookie of the sign-in whose place a new one takes.
    pub(super) cookie: Option<&'a str>,
}

/// Signs somebody in: whose identity it is, or somebody new, if that may be. The address that the issuer names decides nothing about who it is.
pub(super) async fn let_in(
    app: &App,
    provider: &Provider,
    intent: Intent,
    coming: Coming<'_>,
) -> Result<NewSignIn, UpstreamError> {
    let Coming { whereabouts, somebody, invitation, cookie } = coming;
    check_domain(&provider.settings, somebody)?;
    let mut deed = intent.begin(app).await?;
    let issuer = provider.settings.issuer.as_str();
    let (user, new_at) = match store::identities::find_user(&mut deed, issuer, &somebody.subject).await? {
        Some(user) => {
            use_identity(app, &mut deed, user, issuer, somebody).await?;
            (user, None)
        }
        None => become_user(app, &mut deed, provider, whereabouts, somebody, invitation).await?,
    };
    let replaced = sign_in::replace(&mut deed, cookie).await?;
    // Of an account that is new there is nothing yet that somebody else could be after.
    let authenticated_at = if new_at.is_some() { Some(app.clock.now()) } else { somebody.freshness.at() };
    let made = sign_in::begin(app, &mut deed, user, &whereabouts.device, authenticated_at).await?;
    let about = match new_at {
        Some(customer) => About::a("user").id(user.as_uuid()).of(customer),
        None => About::a("sign_in").id(made.person.sign_in.as_uuid()),
    };
    let about = about.detail("by", provider.settings.id.as_str()).detail("device", whereabouts.device.as_str());
    deed.by(user, made.person.sign_in).commit(about).await?;
    forget_sign_ins(app, replaced.into_iter().collect());
    tracing::info!(%user, upstream.id = %provider.settings.id, "somebody signed in by an issuer");
    Ok(made)
}

/// Whose account somebody has whom the issuer knows.
pub(super) async fn find(app: &App, provider: &Provider, somebody: &Somebody) -> Result<Option<UserId>, AppError> {
    let issuer = provider.settings.issuer.as_str();
    Ok(store::identities::find_user(&mut *app.pool.acquire().await?, issuer, &somebody.subject).await?)
}

/// Connects the issuer to the account of somebody who is signed in, and has shown so once more. What is connected already stays so.
pub(super) async fn connect(
    app: &App,
    provider: &Provider,
    person: PersonCaller,
    intent: Intent,
    somebody: &Somebody,
) -> Result<(), UpstreamError> {
    check_domain(&provider.settings, somebody)?;
    let elsewhere = || UpstreamError::ConnectedElsewhere { title: provider.settings.title.clone() };
    let mut deed = intent.begin(app).await?;
    store::users::lock_ways_in(&mut deed, person.user).await?.ok_or(UpstreamError::Disabled)?;
    // Whoever changed the password or signed out everywhere meanwhile ended this as well.
    if store::sign_ins::hold(&mut deed, person.user, person.sign_in).await?.is_none() {
        return Err(UpstreamError::AnotherPerson { title: provider.settings.title.clone() });
    }
    let identities = store::identities::list(&mut deed, person.user).await?;
    let new = identity(app, provider, person.user, somebody);
    if identities.iter().any(|known| known.issuer == new.issuer && known.subject == new.subject) {
        return Ok(());
    }
    if identities.len() >= IDENTITIES_MAX {
        let message = format!("{IDENTITIES_MAX} accounts elsewhere are connected to yours: disconnect one first");
        return Err(AppError::Conflict { message }.into());
    }
    if !store::identities::insert(&mut deed, &new).await? {
        return Err(elsewhere());
    }
    let about = About::a("identity").id(new.id.as_uuid()).detail("upstream", provider.settings.id.as_str());
    deed.commit(about).await?;
    tracing::info!(user = %person.user, upstream.id = %provider.settings.id, "somebody connected an issuer");
    Ok(())
}

/// Only people of some domains come by some issuers, and only where the issuer vouches for the address.
fn check_domain(settings: &UpstreamSettings, somebody: &Somebody) -> Result<(), UpstreamError> {
    let title = || settings.title.clone();
    if settings.email_domains.is_empty() {
        return Ok(());
    }
    let email = somebody.email.as_ref().ok_or_else(|| UpstreamError::NoEmail { title: title() })?;
    if somebody.is_email_confirmed != Some(true) {
        return Err(UpstreamError::EmailNotConfirmed { title: title() });
    }
    if settings.takes(email.as_str()) { Ok(()) } else { Err(UpstreamError::Domain { title: title() }) }
}

/// Writes down that the identity was used, of somebody who may sign in. The person is held first, as whoever disconnects it does.
async fn use_identity(
    app: &App,
    transaction: &mut Transaction,
    user: UserId,
    issuer: &str,
    somebody: &Somebody,
) -> Result<(), UpstreamError> {
    if !store::users::hold(transaction, user).await? {
        return Err(UpstreamError::Disabled);
    }
    let label = somebody.email.as_ref().map(EmailAddress::as_str);
    let whose = store::identities::set_used(transaction, issuer, &somebody.subject, label, app.clock.now()).await?;
    // It was disconnected in this very moment.
    if whose == Some(user) { Ok(()) } else { Err(UpstreamError::Stale) }
}

/// Makes an account without a password, as a member of the customer that invites, or as the owner of one of their own; says at which.
async fn become_user(
    app: &App,
    transaction: &mut Transaction,
    provider: &Provider,
    whereabouts: &Whereabouts,
    somebody: &Somebody,
    invitation: Option<String>,
) -> Result<(UserId, Option<CustomerId>), UpstreamError> {
    let settings = &provider.settings;
    let title = || settings.title.clone();
    let email = somebody.email.clone().ok_or_else(|| UpstreamError::NoEmail { title: title() })?;
    if somebody.is_email_confirmed == Some(false) {
        return Err(UpstreamError::EmailNotConfirmed { title: title() });
    }
    // Never taken back: who makes accounts by the dozen is to wait as well.
    let begun = app.attempts.begin_from(whereabouts.address, app.clock.now());
    begun.map(drop).map_err(|retry_after_s| AccountError::TooMany { retry_after_s })?;
    let taken = || UpstreamError::EmailTaken { title: title() };
    let invitation = match invitation {
        Some(link) => Some(invitations::load_for(app, &link, &email).await?),
        None if settings.sign_up == SignUpPolicy::Open => None,
        None => {
            // Whoever the issuer vouches for may know that they have an account; nobody else is told where sign-up is closed.
            let is_known =
                somebody.is_email_confirmed == Some(true) && store::users::find_credentials(transaction, &email).await?.is_some();
            return Err(if is_known { taken() } else { AccountError::SignUpClosed.into() });
        }
    };
    let name = somebody.name.clone().map_or_else(|| name_of(&email), Ok)?;
    let user = User { id: UserId::new(), email, name, created_at: app.clock.now(), disabled_at: None };
    if !store::users::insert(transaction, &user, None).await? {
        return Err(taken());
    }
    let customer = sign_up::settle(transaction, &user, invitation.as_ref()).await?;
    // Two answers about somebody new at one time: the other one was first.
    if !store::identities::insert(transaction, &identity(app, provider, user.id, somebody)).await? {
        return Err(UpstreamError::Stale);
    }
    tracing::info!(user = %user.id, upstream.id = %settings.id, "somebody signed up by an issuer");
    Ok((user.id, Some(customer)))
}

/// What stands before the sign of an address: letters and digits without spaces, so that it is a name.
fn name_of(email: &EmailAddress) -> Result<PersonName, AppError> {
    let local = email.as_str().split('@').next().unwrap_or_default();
    let local: String = local.chars().take(PersonName::CHARS_MAX).collect();
    local.parse().map_err(|error| AppError::internal("cannot name somebody after their address", error))
}

fn identity(app: &App, provider: &Provider, user: UserId, somebody: &Somebody) -> Identity {
    let now = app.clock.now();
    Identity {
        id: IdentityId::new(),
        user,
        issuer: provider.settings.issuer.as_str().to_owned(),
        subject: somebody.subject.clone(),
        label: somebody.email.as_ref().map(ToString::to_string),
        created_at: now,
        used_at: now,
    }
}
