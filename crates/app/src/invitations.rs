//! Invitations: links that make whoever follows them a member of a customer.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{CustomerId, CustomerName, EmailAddress, InvitationId, MemberRole, UserId};
use store::{PgConnection, invitations::Invitation};

use crate::{
    App, AppError, Caller, Page, PageRequest, Who,
    access::{self, Operation},
    accounts::{self, AccountError, SecretToken},
    audit::{About, Intent},
    members,
};

/// How long a link opens the door.
const LIFETIME: TimeDelta = TimeDelta::days(7);
/// Links of one customer that are open at one time.
const OPEN_MAX: i64 = 100;
/// Links of one customer that are made within a day, whatever becomes of them: each is a row until [`KEPT`] is over.
const MADE_A_DAY_MAX: i64 = 500;
/// How long what was used, taken back or has expired is kept, for those who ask why.
const KEPT: TimeDelta = TimeDelta::days(30);

/// An invitation that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvitation {
    /// What one may do.
    pub role: MemberRole,
    /// Whom it is for; absent: whoever has the link.
    pub email: Option<EmailAddress>,
}

/// An invitation, without its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationView {
    /// Its id.
    pub invitation_id: InvitationId,
    /// The customer whose member one becomes.
    pub customer_id: CustomerId,
    /// What one may do there.
    pub role: MemberRole,
    /// Whom it is for; absent: whoever has the link.
    pub email: Option<EmailAddress>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it opens nothing.
    pub expires_at: DateTime<Utc>,
}

/// An invitation, as whoever follows its link sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenInvitation {
    /// It itself.
    pub invitation: InvitationView,
    /// What its customer is called.
    pub customer_name: CustomerName,
}

/// Invites somebody to the caller's customer. The link is given back here and never again.
pub async fn create(app: &App, caller: &Caller, new: NewInvitation) -> Result<(InvitationView, String), AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::CreateInvitation)?;
    insert(app, intent, customer, caller.user(), new).await
}

/// Invites somebody to any customer, for whoever runs the installation: where sign-up is closed, the first owner comes so.
pub async fn create_for(
    app: &App,
    caller: &Caller,
    customer: CustomerId,
    new: NewInvitation,
) -> Result<(InvitationView, String), AppError> {
    let intent = access::require_change(caller, Operation::InviteToCustomer)?;
    insert(app, intent.of(customer), customer, None, new).await
}

/// The open invitations of the caller's customer, newest first.
pub async fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<InvitationView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListInvitations)?;
    let (mut connection, now) = (app.pool.acquire().await?, app.clock.now());
    let found = store::invitations::list_open(&mut connection, customer, now, page.after()?, page.fetch_max()).await?;
    Ok(page.page(found, |invitation| invitation.id).map(InvitationView::from))
}

/// Takes an open invitation of the caller's customer back.
pub async fn revoke(app: &App, caller: &Caller, invitation: InvitationId) -> Result<(), AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::RevokeInvitation)?;
    let mut deed = intent.begin(app).await?;
    if !store::invitations::revoke(&mut deed, customer, invitation, app.clock.now()).await? {
        return Err(AppError::not_found("invitation", invitation));
    }
    deed.commit(About::a("invitation").id(invitation.as_uuid())).await
}

/// The invitation that a link's token is of. One that was used, taken back or has expired is none.
pub async fn load(app: &App, token: &str) -> Result<OpenInvitation, AccountError> {
    access::require(&Caller::of(Who::Anyone), Operation::FindInvitation)?;
    let digest = SecretToken::digest_of(token).ok_or(AccountError::InvitationGone)?;
    let found = store::invitations::find_open(&mut *app.pool.acquire().await?, &digest, app.clock.now()).await?;
    let (invitation, customer_name) = found.ok_or(AccountError::InvitationGone)?;
    Ok(OpenInvitation { invitation: invitation.into(), customer_name })
}

/// Makes whoever is signed in a member, as the link says.
pub async fn accept(app: &App, caller: &Caller, token: &str) -> Result<OpenInvitation, AccountError> {
    let (person, intent) = access::require_person_change(caller, Operation::AcceptInvitation)?;
    let known = accounts::load_person(app, person.user).await?;
    let invitation = load_for(app, token, &known.email).await?;
    let mut deed = intent.begin(app).await?;
    use_up(&mut deed, &invitation, person.user, app.clock.now()).await?;
    let InvitationView { invitation_id, customer_id, role, .. } = &invitation.invitation;
    let about = About::a("invitation").id(invitation_id.as_uuid()).of(*customer_id);
    deed.commit(about.detail("role", role.as_str())).await?;
    app.memory.people.drop_one(&person.user);
    Ok(invitation)
}

/// The invitation that a link's token is of, if it is for whoever has this address.
pub(crate) async fn load_for(app: &App, token: &str, email: &EmailAddress) -> Result<OpenInvitation, AccountError> {
    let found = load(app, token).await?;
    match &found.invitation.email {
        Some(invited) if invited != email => Err(AccountError::InvitationForAnother(invited.clone())),
        _ => Ok(found),
    }
}

/// Uses an invitation up for `user`. In a transaction: only one of two who follow the link at one time becomes a member.
pub(crate) async fn use_up(
    connection: &mut PgConnection,
    open: &OpenInvitation,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<(), AccountError> {
    let InvitationView { invitation_id, customer_id, role, .. } = open.invitation;
    // First, since it locks the members: whoever removes the inviter has done so by now, or waits.
    let members = store::members::count(connection, customer_id).await?;
    if !store::invitations::accept(connection, invitation_id, user, now).await? {
        return Err(AccountError::InvitationGone);
    }
    let conflict = |message: String| AccountError::App(AppError::Conflict { message });
    if members >= members::MEMBERS_MAX {
        return Err(conflict(format!("{} has as many members as a customer can have", open.customer_name)));
    }
    let most = accounts::MEMBERSHIPS_MAX;
    if store::members::list_of_user(connection, user, most).await?.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
        return Err(conflict(format!("you belong to {most} customers, and can belong to no more")));
    }
    if !store::members::insert(connection, customer_id, user, role, now).await? {
        return Err(conflict(format!("you belong to {} already", open.customer_name)));
    }
    tracing::info!(customer = %customer_id, %user, role = role.as_str(), "somebody became a member");
    Ok(())
}

/// Deletes invitations that ended long ago.
pub(crate) async fn sweep(app: &App, batch: i64) -> Result<(), AppError> {
    let before = app.clock.now() - KEPT;
    while store::invitations::delete_ended(&mut *app.pool.acquire().await?, before, batch).await? >= batch.unsigned_abs() {}
    Ok(())
}

async fn insert(
    app: &App,
    intent: Intent,
    customer: CustomerId,
    invited_by: Option<UserId>,
    new: NewInvitation,
) -> Result<(InvitationView, String), AppError> {
    let (token, now) = (accounts::random_token()?, app.clock.now());
    let NewInvitation { role, email } = new;
    let id = InvitationId::new();
    let invitation = Invitation { id, customer, role, email, invited_by, created_at: now, expires_at: now + LIFETIME };
    let mut deed = intent.begin(app).await?;
    let before = store::invitations::count(&mut deed, customer, now, now - TimeDelta::days(1)).await?;
    if before.open >= OPEN_MAX {
        let message = format!("{OPEN_MAX} invitations of this customer are open: take some back first");
        return Err(AppError::Conflict { message });
    }
    if before.made >= MADE_A_DAY_MAX {
        let message = format!("{MADE_A_DAY_MAX} invitations of this customer were made within a day: make others tomorrow");
        return Err(AppError::Conflict { message });
    }
    if !store::invitations::insert(&mut deed, &invitation, &token.digest()).await? {
        return Err(AppError::not_found("customer", customer));
    }
    // For whom, is said to the members of the customer; the log has no need of addresses.
    deed.commit(About::a("invitation").id(id.as_uuid()).detail("role", role.as_str())).await?;
    let link = format!("{}/invitations/{}", app.settings.public_url, token.expose());
    Ok((invitation.into(), link))
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let Invitation { id, customer, role, email, created_at, expires_at, .. } = invitation;
        Self { invitation_id: id, customer_id: customer, role, email, created_at, expires_at }
    }
}
