//! `/account/access`: which clients somebody let in, and the way to take that back.

use std::sync::Arc;

use app::{
    App, Page, accounts,
    consents::{self, ConsentView, Place},
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use domain::ConsentId;
use http::Uri;
use serde::Deserialize;

use super::{
    asked_page,
    csrf::CsrfToken,
    form::PostedForm,
    moment::Moment,
    page::{self, Frame, FramePerson, HtmlPage},
    signed_in::SignedIn,
};
use crate::{WebSettings, consent_words, error::ApiError, extract::Path};

#[derive(Template)]
#[template(path = "access.html")]
struct AccessPage {
    frame: Frame,
    csrf: CsrfToken,
    notice: Option<&'static str>,
    /// Where clients find servers.
    servers_at: String,
    consents: Vec<ShownConsent>,
    /// Where the list goes on.
    next: Option<String>,
}

/// What somebody let a client do, as the page shows it.
struct ShownConsent {
    id: ConsentId,
    client_name: String,
    client_origin: String,
    /// What it may use, and the path or the customer that belongs to it.
    place: String,
    place_detail: String,
    is_server: bool,
    scopes: Vec<String>,
    pins_definitions: bool,
    /// What waits to be accepted.
    held_back: u32,
    since: Moment,
    last_used: Option<Moment>,
    authorizations: u64,
    is_offline: bool,
}

/// The path of a consent.
#[derive(Debug, Deserialize)]
pub(super) struct ConsentPath {
    pub(super) consent_id: ConsentId,
}

/// The page.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    signed_in: SignedIn,
    uri: Uri,
) -> Result<Response, ApiError> {
    let caller = signed_in.caller();
    let account = accounts::load(&app, &caller).await?;
    let Page { items, next_cursor } = consents::list(&app, &caller, &asked_page::part(&uri)?).await?;
    let person = FramePerson { email: account.email.to_string(), csrf: signed_in.csrf.clone() };
    let page = AccessPage {
        frame: Frame::narrow("Access").wide().of(person),
        csrf: signed_in.csrf,
        notice: notice(&uri),
        servers_at: format!("{}/mcp/…", settings.public_url.as_str().trim_end_matches('/')),
        consents: items.into_iter().map(ShownConsent::from).collect(),
        next: next_cursor.map(|cursor| format!("/account/access?after={cursor}")),
    };
    Ok(HtmlPage::new(page).into_response())
}

/// The form that takes one of them back.
pub(super) async fn take_back(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(ConsentPath { consent_id }): Path<ConsentPath>,
    _form: PostedForm,
) -> Result<Response, ApiError> {
    consents::revoke(&app, &signed_in.caller(), consent_id).await?;
    Ok(page::see_other("/account/access?done=taken-back"))
}

fn notice(uri: &Uri) -> Option<&'static str> {
    match asked_page::done(uri)?.as_str() {
        "taken-back" => Some("Taken back: it may do nothing in your name from now on."),
        _ => None,
    }
}

impl From<ConsentView> for ShownConsent {
    fn from(view: ConsentView) -> Self {
        let (place, place_detail, is_server) = match view.place {
            Place::Server { slug, title } => (title.to_string(), format!("/mcp/{slug}"), true),
            Place::Customer(name) => ("Your tools’ management".to_owned(), name.to_string(), false),
        };
        Self {
            id: view.consent_id,
            client_name: view.client_name,
            client_origin: consent_words::origin_of(view.client_host.as_deref()),
            place,
            place_detail,
            is_server,
            scopes: view.scopes.iter().map(|scope| consent_words::in_words(scope).0).collect(),
            pins_definitions: view.pins_definitions,
            held_back: view.held_back,
            since: view.given_at.into(),
            last_used: view.last_used_at.map(Moment::from),
            authorizations: view.authorizations,
            is_offline: view.is_offline,
        }
    }
}
