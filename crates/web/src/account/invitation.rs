//! `/invitations/{token}`: the page that an invitation's link leads to.

use std::sync::Arc;

use app::{
    App,
    accounts::AccountError,
    invitations::{self, OpenInvitation},
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use domain::MemberRole;
use http::HeaderMap;
use serde::Deserialize;

use super::{
    cookies::FormCookie,
    csrf::CsrfToken,
    fields::Faults,
    form::PostedForm,
    page::{self, Frame, HtmlPage},
    sign_in::{self, answer, sentence},
    signed_in::{MaybeSignedIn, SignedIn},
};
use crate::{WebSettings, envelope::ErrorCode, error::ApiError, extract::Path};

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage {
    frame: Frame,
    csrf: CsrfToken,
    invitation: ShownInvitation,
    is_signed_in: bool,
    faults: Faults,
}

/// An invitation, as pages show it.
#[derive(Debug, Clone)]
pub(super) struct ShownInvitation {
    /// The token of its link: whoever sees the page has it.
    pub(super) token: String,
    pub(super) customer_name: String,
    pub(super) role: &'static str,
    /// What that role may do, in a sentence.
    pub(super) may: &'static str,
    /// Whom it is for.
    pub(super) email: Option<String>,
}

/// The path of an invitation.
#[derive(Debug, Deserialize)]
pub(super) struct InvitationPath {
    token: String,
}

/// The invitation that a link's token is of.
pub(super) async fn load(app: &App, token: &str) -> Result<ShownInvitation, AccountError> {
    let OpenInvitation { invitation, customer_name } = invitations::load(app, token).await?;
    let (role, may) = match invitation.role {
        MemberRole::Viewer => ("a viewer", "you can look at its servers and what calls did."),
        MemberRole::Editor => ("an editor", "you can build and release its tools."),
        MemberRole::Owner => ("an owner", "you can do everything, and invite others."),
    };
    Ok(ShownInvitation {
        token: token.to_owned(),
        customer_name: customer_name.to_string(),
        role,
        may,
        email: invitation.email.map(|email| email.to_string()),
    })
}

/// The page.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    MaybeSignedIn(signed_in): MaybeSignedIn,
    Path(InvitationPath { token }): Path<InvitationPath>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let invitation = load(&app, &token).await.map_err(gone)?;
    let cookie = FormCookie::for_page(&settings, &headers)?;
    let shown = draw(cookie.csrf, invitation, signed_in.is_some(), Faults::default());
    Ok(sign_in::with_cookies(shown.into_response(), cookie.new))
}

/// The form: whoever is signed in joins.
pub(super) async fn accept(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(InvitationPath { token }): Path<InvitationPath>,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let Err(error) = invitations::accept(&app, &signed_in.caller(), &token).await else {
        return Ok(page::see_other("/account?done=joined"));
    };
    let invitation = load(&app, &token).await.map_err(gone)?;
    let faults = Faults::general(sentence(&error));
    answer(error, |status| draw(form.csrf().clone(), invitation, true, faults).with_status(status).into_response())
}

/// A link that leads nowhere any more.
fn gone(error: AccountError) -> ApiError {
    match error {
        AccountError::App(error) => error.into(),
        other => ApiError::new(http::StatusCode::NOT_FOUND, ErrorCode::NotFound, sentence(&other)),
    }
}

fn draw(csrf: CsrfToken, invitation: ShownInvitation, is_signed_in: bool, faults: Faults) -> HtmlPage<InvitationPage> {
    HtmlPage::new(InvitationPage { frame: Frame::narrow("You are invited"), csrf, invitation, is_signed_in, faults })
}
