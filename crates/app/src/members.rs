//! Members of a customer: the people who may do something for it.

use chrono::{DateTime, Utc};
use domain::{CustomerId, EmailAddress, MemberRole, PersonName, UserId};
use store::{
    Transaction,
    members::{Member, MemberChange},
};

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    audit::{About, Intent},
};

/// People that one customer can have.
pub(crate) const MEMBERS_MAX: i64 = 500;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// The person.
    pub user_id: UserId,
    /// Their address.
    pub email: EmailAddress,
    /// What they are called.
    pub name: PersonName,
    /// What they may do.
    pub role: MemberRole,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// The members of the caller's customer, the newest people first.
pub async fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<MemberView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListMembers)?;
    let found = store::members::list(&mut *app.pool.acquire().await?, customer, page.after()?, page.fetch_max()).await?;
    Ok(page.page(found, |member| member.user).map(MemberView::from))
}

/// Gives a member another role. It counts on the next request, on every node. The last owner stays one.
pub async fn set_role(app: &App, caller: &Caller, user: UserId, role: MemberRole) -> Result<MemberView, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::ChangeMember)?;
    let mut deed = intent.begin(app).await?;
    let change = store::members::set_role(&mut deed, customer, user, role).await?;
    let member = done(change, customer, user)?;
    if role != MemberRole::Owner {
        revoke_invitations(app, &mut deed, customer, user).await?;
    }
    deed.commit(About::a("member").id(user.as_uuid()).concerning(user).detail("role", role.as_str())).await?;
    app.memory.people.drop_one(&user);
    Ok(member.into())
}

/// Removes a member, who may do nothing for the customer from then on. The last owner stays.
pub async fn remove(app: &App, caller: &Caller, user: UserId) -> Result<(), AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::RemoveMember)?;
    end(app, intent, customer, user).await
}

/// Ends the membership of whoever asks. The last owner stays.
pub async fn leave(app: &App, caller: &Caller, customer: CustomerId) -> Result<(), AppError> {
    let (person, intent) = access::require_person_change(caller, Operation::LeaveCustomer)?;
    match end(app, intent.of(customer), customer, person.user).await {
        Err(AppError::NotFound { .. }) => Err(AppError::not_found("customer", customer)),
        done => done,
    }
}

/// Ends a membership, and what the person let clients do for the customer: were they to come back one day, those would not come with them.
async fn end(app: &App, intent: Intent, customer: CustomerId, user: UserId) -> Result<(), AppError> {
    let mut deed = intent.begin(app).await?;
    let change = store::members::delete(&mut deed, customer, user).await?;
    let member = done(change, customer, user)?;
    revoke_invitations(app, &mut deed, customer, user).await?;
    let ended = store::consents::delete_of_member(&mut deed, user, customer).await?;
    let about = About::a("member").id(user.as_uuid()).concerning(user).detail("role", member.role.as_str());
    deed.commit(about.detail("authorizations_ended", ended.len())).await?;
    app.memory.people.drop_one(&user);
    for authorization in ended {
        app.memory.forget_authorization(authorization);
    }
    Ok(())
}

/// Whoever is an owner no more lets nobody in any more, and does not come back themselves by a link that they made before.
async fn revoke_invitations(
    app: &App,
    transaction: &mut Transaction,
    customer: CustomerId,
    user: UserId,
) -> Result<(), AppError> {
    store::invitations::revoke_of_inviter(transaction, user, Some(customer), app.clock.now()).await?;
    Ok(())
}

fn done(change: MemberChange, customer: CustomerId, user: UserId) -> Result<Member, AppError> {
    match change {
        MemberChange::Done(member) => {
            tracing::info!(%customer, %user, "a member was changed");
            Ok(member)
        }
        MemberChange::Missing => Err(AppError::not_found("member", user)),
        MemberChange::LastOwner => {
            Err(AppError::Conflict { message: "a customer needs an owner: make somebody else one first".to_owned() })
        }
    }
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        let Member { user, email, name, role, created_at } = member;
        Self { user_id: user, email, name, role, created_at }
    }
}
