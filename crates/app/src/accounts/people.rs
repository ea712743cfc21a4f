//! What this node remembers of a person: asked for on every request, and dropped when it changes in the database.

use std::sync::Arc;

use domain::{CustomerId, EmailAddress, MemberRole, PersonName, UserId};
use store::members::Membership;

use crate::{App, AppError};

/// Customers that one person can belong to.
pub(crate) const MEMBERSHIPS_MAX: i64 = 100;

/// A person who is not disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) email: EmailAddress,
    pub(crate) name: PersonName,
    /// The customers that they belong to, by name.
    pub(crate) memberships: Vec<Membership>,
}

impl Person {
    /// What they may do for a customer; nothing if they do not belong to it.
    pub(crate) fn role_at(&self, customer: CustomerId) -> Option<MemberRole> {
        self.memberships.iter().find(|membership| membership.customer == customer).map(|membership| membership.role)
    }
}

/// The person with this id; [`AppError::Unauthenticated`] if there is none, or they are disabled.
pub(crate) async fn load(app: &App, user: UserId) -> Result<Arc<Person>, AppError> {
    let read = || async {
        let mut connection = app.pool.acquire().await?;
        let found = store::users::find(&mut connection, user).await?;
        let found = found.filter(|found| found.disabled_at.is_none()).ok_or(AppError::Unauthenticated)?;
        let memberships = store::members::list_of_user(&mut connection, user, MEMBERSHIPS_MAX).await?;
        Ok(Arc::new(Person { user, email: found.email, name: found.name, memberships }))
    };
    app.memory.people.get(&user, read).await
}
