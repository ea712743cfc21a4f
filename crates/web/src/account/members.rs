//! `/account/customers/{customer}/members`: who belongs to a customer; for owners also who is to, and for everybody the way out.

use std::sync::Arc;

use app::{
    App, AppError, Caller, Page, PageRequest, accounts,
    invitations::{self, InvitationView, NewInvitation},
    members::{self, MemberView},
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{CustomerId, CustomerName, EmailAddress, InvitationId, MemberRole, PersonName, UserId};
use http::{StatusCode, Uri};
use serde::Deserialize;

use super::{
    asked_page,
    csrf::CsrfToken,
    fields::Faults,
    form::PostedForm,
    moment::Moment,
    page::{self, Frame, FramePerson, HtmlPage},
    sign_in::sentence,
    signed_in::SignedIn,
};
use crate::{envelope::ErrorCode, error::ApiError, extract::Path};

const ROLES: &[MemberRole] = &[MemberRole::Viewer, MemberRole::Editor, MemberRole::Owner];

#[derive(Template)]
#[template(path = "members.html")]
struct MembersPage {
    frame: Frame,
    csrf: CsrfToken,
    notice: Option<&'static str>,
    faults: Faults,
    customer_name: CustomerName,
    /// The path that all of the page's forms begin with.
    here: String,
    is_owner: bool,
    members: Vec<ShownMember>,
    /// Where the list goes on.
    next: Option<String>,
    roles: &'static [MemberRole],
    invite: Invite,
    invitations: Vec<ShownInvitation>,
    link: Option<Link>,
}

struct ShownMember {
    id: UserId,
    name: PersonName,
    email: EmailAddress,
    role: MemberRole,
    since: Moment,
    is_you: bool,
}

struct ShownInvitation {
    id: InvitationId,
    role: MemberRole,
    email: Option<EmailAddress>,
    until: Moment,
}

/// The form for an invitation, as it was filled in.
struct Invite {
    role: MemberRole,
    email: String,
    is_email_wrong: bool,
}

/// An invitation's link, which is shown once.
struct Link {
    address: String,
    email: Option<EmailAddress>,
}

/// The path of a customer.
#[derive(Debug, Deserialize)]
pub(super) struct CustomerPath {
    customer_id: CustomerId,
}

/// The path of a member.
#[derive(Debug, Deserialize)]
pub(super) struct MemberPath {
    customer_id: CustomerId,
    user_id: UserId,
}

/// The path of an invitation.
#[derive(Debug, Deserialize)]
pub(super) struct InvitationPath {
    customer_id: CustomerId,
    invitation_id: InvitationId,
}

/// Somebody at the page of a customer that they belong to.
struct Visit {
    signed_in: SignedIn,
    customer: CustomerId,
    caller: Caller,
}

/// What the page says besides what there is.
#[derive(Default)]
struct Said {
    notice: Option<&'static str>,
    faults: Faults,
    invite: Invite,
    link: Option<Link>,
}

/// The page.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(CustomerPath { customer_id }): Path<CustomerPath>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let visit = Visit::begin(&app, signed_in, customer_id).await?;
    let said = Said { notice: notice(&uri), ..Said::default() };
    Ok(visit.draw(&app, &asked_page::part(&uri)?, said).await?.into_response())
}

/// The form for a member's role.
pub(super) async fn set_role(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(MemberPath { customer_id, user_id }): Path<MemberPath>,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let visit = Visit::begin(&app, signed_in, customer_id).await?;
    let role = MemberRole::find(form.text("role")).ok_or_else(|| ApiError::invalid("there is no such role"))?;
    let changed = members::set_role(&app, &visit.caller, user_id, role).await;
    visit.after(&app, changed.map(drop), "role").await
}

/// The form that removes a member.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(MemberPath { customer_id, user_id }): Path<MemberPath>,
    _form: PostedForm,
) -> Result<Response, ApiError> {
    let visit = Visit::begin(&app, signed_in, customer_id).await?;
    let removed = members::remove(&app, &visit.caller, user_id).await;
    visit.after(&app, removed, "removed").await
}

/// The form for an invitation. Its link is part of the answer, since nothing keeps it.
pub(super) async fn invite(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(CustomerPath { customer_id }): Path<CustomerPath>,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let visit = Visit::begin(&app, signed_in, customer_id).await?;
    let role = MemberRole::find(form.text("role")).ok_or_else(|| ApiError::invalid("there is no such role"))?;
    let typed = form.text("email").trim().to_owned();
    let email = match EmailAddress::of(&typed) {
        _ if typed.is_empty() => None,
        Ok(email) => Some(email),
        Err(error) => {
            let invite = Invite { role, email: typed, is_email_wrong: true };
            return visit
                .again(&app, StatusCode::UNPROCESSABLE_ENTITY, Faults::of_field("email", sentence(&error)), invite)
                .await;
        }
    };
    match invitations::create(&app, &visit.caller, NewInvitation { role, email: email.clone() }).await {
        Ok((_, address)) => {
            let said = Said { link: Some(Link { address, email }), ..Said::default() };
            Ok(visit.draw(&app, &PageRequest::default(), said).await?.into_response())
        }
        Err(error @ AppError::Conflict { .. }) => {
            let invite = Invite { role, email: typed, is_email_wrong: false };
            visit.again(&app, StatusCode::CONFLICT, Faults::general(sentence(&error)), invite).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The form that takes an invitation back.
pub(super) async fn revoke_invitation(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(InvitationPath { customer_id, invitation_id }): Path<InvitationPath>,
    _form: PostedForm,
) -> Result<Response, ApiError> {
    let visit = Visit::begin(&app, signed_in, customer_id).await?;
    let revoked = invitations::revoke(&app, &visit.caller, invitation_id).await;
    visit.after(&app, revoked, "taken-back").await
}

/// The form by which somebody leaves.
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(CustomerPath { customer_id }): Path<CustomerPath>,
    _form: PostedForm,
) -> Result<Response, ApiError> {
    let visit = Visit::begin(&app, signed_in, customer_id).await?;
    match members::leave(&app, &visit.signed_in.caller(), customer_id).await {
        Ok(()) => Ok(page::see_other("/account?done=left")),
        left => visit.after(&app, left, "left").await,
    }
}

impl Visit {
    async fn begin(app: &App, signed_in: SignedIn, customer: CustomerId) -> Result<Self, ApiError> {
        let caller = signed_in.acting_for(app, customer).await?;
        Ok(Self { signed_in, customer, caller })
    }

    /// Where a form leads: to the page with a notice, or, where something stands in the way, to the page that says what.
    async fn after(self, app: &App, outcome: Result<(), AppError>, done: &str) -> Result<Response, ApiError> {
        match outcome {
            Ok(()) => Ok(page::see_other(&format!("{}/members?done={done}", self.here()))),
            Err(error @ AppError::Conflict { .. }) => {
                self.again(app, StatusCode::CONFLICT, Faults::general(sentence(&error)), Invite::default()).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn again(self, app: &App, status: StatusCode, faults: Faults, invite: Invite) -> Result<Response, ApiError> {
        let said = Said { faults, invite, ..Said::default() };
        Ok(self.draw(app, &PageRequest::default(), said).await?.with_status(status).into_response())
    }

    async fn draw(self, app: &App, part: &PageRequest, said: Said) -> Result<HtmlPage<MembersPage>, ApiError> {
        let account = accounts::load(app, &self.signed_in.caller()).await?;
        let membership = account.memberships.iter().find(|membership| membership.customer == self.customer);
        let membership =
            membership.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, "there is no such customer"))?;
        let is_owner = membership.role == MemberRole::Owner;
        let Page { items, next_cursor } = members::list(app, &self.caller, part).await?;
        let open = if is_owner { invitations::list(app, &self.caller, &PageRequest::default()).await?.items } else { Vec::new() };
        let here = self.here();
        let Said { notice, faults, invite, link } = said;
        let shown = |member: MemberView| ShownMember {
            id: member.user_id,
            name: member.name,
            email: member.email,
            role: member.role,
            since: member.created_at.into(),
            is_you: member.user_id == account.user_id,
        };
        let person = FramePerson { email: account.email.to_string(), csrf: self.signed_in.csrf.clone() };
        Ok(HtmlPage::new(MembersPage {
            frame: Frame::narrow("Members").wide().of(person),
            csrf: self.signed_in.csrf,
            notice,
            faults,
            customer_name: membership.customer_name.clone(),
            is_owner,
            members: items.into_iter().map(shown).collect(),
            next: next_cursor.map(|cursor| format!("{here}/members?after={cursor}")),
            here,
            roles: ROLES,
            invite,
            invitations: open.into_iter().map(ShownInvitation::from).collect(),
            link,
        }))
    }

    fn here(&self) -> String {
        format!("/account/customers/{}", self.customer)
    }
}

fn notice(uri: &Uri) -> Option<&'static str> {
    match asked_page::done(uri)?.as_str() {
        "role" => Some("The role is changed. It counts from now on."),
        "removed" => Some("Removed: they may do nothing here from now on."),
        "taken-back" => Some("That invitation is taken back: its link opens nothing."),
        _ => None,
    }
}

impl Default for Invite {
    fn default() -> Self {
        Self { role: MemberRole::Editor, email: String::new(), is_email_wrong: false }
    }
}

impl From<InvitationView> for ShownInvitation {
    fn from(view: InvitationView) -> Self {
        Self { id: view.invitation_id, role: view.role, email: view.email, until: view.expires_at.into() }
    }
}
