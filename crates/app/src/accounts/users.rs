//! What whoever runs the installation may do about people.

use chrono::{DateTime, Utc};
use domain::{EmailAddress, PersonName, UserId};
use store::users::User;

use super::forget_sign_ins;
use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    audit::About,
};

/// A person, as the admin sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// Their id.
    pub user_id: UserId,
    /// Their address.
    pub email: EmailAddress,
    /// What they are called.
    pub name: PersonName,
    /// Since when they may do nothing any more; absent if they may.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When they signed up.
    pub created_at: DateTime<Utc>,
}

/// The people, newest first.
pub async fn list_users(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<UserView>, AppError> {
    access::require(caller, Operation::ListUsers)?;
    let found = store::users::list(&mut *app.pool.acquire().await?, page.after()?, page.fetch_max()).await?;
    Ok(page.page(found, |user| user.id).map(UserView::from))
}

/// Disables a person, whose sign-ins end at once on every node and whose open invitations are taken back, or lets them in again.
pub async fn change_user(app: &App, caller: &Caller, user: UserId, is_disabled: IsDisabled) -> Result<UserView, AppError> {
    let intent = access::require_change(caller, Operation::ChangeUser)?;
    let at = (is_disabled == IsDisabled::Yes).then(|| app.clock.now());
    let mut deed = intent.begin(app).await?;
    let changed = store::users::set_disabled(&mut deed, user, at).await?;
    let changed = changed.ok_or_else(|| AppError::not_found("user", user))?;
    let ended = match is_disabled {
        IsDisabled::Yes => {
            store::invitations::revoke_of_inviter(&mut deed, user, None, app.clock.now()).await?;
            store::sign_ins::delete_all(&mut deed, user, None).await?
        }
        IsDisabled::No => Vec::new(),
    };
    let about = About::a("user").id(user.as_uuid()).concerning(user).detail("disabled", is_disabled == IsDisabled::Yes);
    deed.commit(about.detail("sign_ins_ended", ended.len())).await?;
    app.memory.people.drop_one(&user);
    forget_sign_ins(app, ended);
    Ok(changed.into())
}

/// Whether somebody may do nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsDisabled {
    /// They may do nothing.
    Yes,
    /// They may.
    No,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        let User { id, email, name, created_at, disabled_at } = user;
        Self { user_id: id, email, name, disabled_at, created_at }
    }
}
