//! `/account/access/{consent_id}`: what a server changed since somebody let a client use it and asked for such changes to be held back, and the way to
//! accept it (SEC-18).

use std::sync::Arc;

use app::{
    App, AppError, accounts,
    pins::{self, ConsentPins, Difference, PinView, PinsDefinitions, ServerPinView, WantedPins},
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{ConsentId, Digest, ToolName};
use http::Uri;
use serde_json::Value;

use super::{
    access::ConsentPath,
    asked_page,
    csrf::CsrfToken,
    difference_words,
    form::PostedForm,
    moment::Moment,
    page::{self, Frame, FramePerson, HtmlPage},
    signed_in::SignedIn,
};
use crate::{error::ApiError, extract::Path};

/// Changed tools of a page: each has so much to show that a hundred would be too much for a browser.
const TOOLS_MAX: u32 = 10;

#[derive(Template)]
#[template(path = "changes.html")]
struct ChangesPage {
    frame: Frame,
    csrf: CsrfToken,
    notice: Option<&'static str>,
    consent: ConsentId,
    client_name: String,
    title: String,
    path: String,
    pins_definitions: bool,
    changes: Vec<ShownChange>,
    /// Where the list goes on.
    next: Option<String>,
}

/// Something that changed.
struct ShownChange {
    /// The tool, resource or prompt; empty for what the server says of itself.
    name: String,
    /// Since when the client has what was there before.
    since: Moment,
    /// What it is now, and would be accepted.
    now: Digest,
    differences: Vec<ShownDifference>,
    is_cut: bool,
}

/// A place of it.
struct ShownDifference {
    words: String,
    path: String,
    before: Option<String>,
    now: Option<String>,
}

/// The page.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(ConsentPath { consent_id }): Path<ConsentPath>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let caller = signed_in.caller();
    let account = accounts::load(&app, &caller).await?;
    let part = asked_page::part_of(&uri, TOOLS_MAX)?;
    let changes = pins::list_of_consent(&app, &caller, consent_id, WantedPins::Changed, &part).await?;
    let ConsentPins { client_name, slug, title, pins_definitions, pinned } = changes;
    let person = FramePerson { email: account.email.to_string(), csrf: signed_in.csrf.clone() };
    let app::Page { items, next_cursor } = pinned.tools;
    let page = ChangesPage {
        frame: Frame::narrow("What changed").wide().of(person),
        csrf: signed_in.csrf,
        notice: notice(&uri),
        consent: consent_id,
        client_name,
        title: title.to_string(),
        path: format!("/mcp/{slug}"),
        pins_definitions,
        changes: pinned.server.map(of_words).into_iter().chain(items.into_iter().filter_map(of_tool)).collect(),
        next: next_cursor.map(|cursor| format!("/account/access/{consent_id}?after={cursor}")),
    };
    Ok(HtmlPage::new(page).into_response())
}

/// The form that accepts one change: that of a tool, or, without a name, of what the server says of itself.
pub(super) async fn accept(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(ConsentPath { consent_id }): Path<ConsentPath>,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let caller = signed_in.caller();
    let digest: Digest =
        form.text("digest").parse().map_err(|_| ApiError::invalid("the form does not say what was looked at"))?;
    let accepted = match form.text("name") {
        "" => pins::accept_consent_words(&app, &caller, consent_id, digest).await.map(drop),
        name => {
            let name: ToolName = name.parse().map_err(|_| ApiError::invalid("the form names no tool"))?;
            pins::accept_for_consent(&app, &caller, consent_id, &name, digest).await.map(drop)
        }
    };
    let done = match accepted {
        Ok(()) => "accepted",
        // It changed once more while it was looked at.
        Err(AppError::Conflict { .. }) => "changed-again",
        Err(error) => return Err(error.into()),
    };
    Ok(page::see_other(&format!("/account/access/{consent_id}?done={done}")))
}

/// The form that holds back from now on what changes, or does not any more.
pub(super) async fn hold_back(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(ConsentPath { consent_id }): Path<ConsentPath>,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let (wanted, done) = match form.text("hold_back") {
        "yes" => (PinsDefinitions::Yes, "held-back"),
        "no" => (PinsDefinitions::No, "let-through"),
        _ => return Err(ApiError::invalid("the form does not say whether what changes is held back")),
    };
    pins::set_for_consent(&app, &signed_in.caller(), consent_id, wanted).await?;
    Ok(page::see_other(&format!("/account/access/{consent_id}?done={done}")))
}

fn notice(uri: &Uri) -> Option<&'static str> {
    match asked_page::done(uri)?.as_str() {
        "accepted" => Some("Accepted: the client may use it as it is now."),
        "held-back" => Some("What changes from now on is held back until you accept it."),
        "let-through" => Some("Nothing is held back any more: the client uses every tool as it is."),
        "changed-again" => Some("It has changed once more since you looked at it. Nothing was accepted: look again."),
        _ => None,
    }
}

fn of_tool(pin: PinView) -> Option<ShownChange> {
    let PinView { name, pinned_at, now, differences, .. } = pin;
    Some(ShownChange::new(name.to_string(), pinned_at.into(), now?, differences))
}

fn of_words(pin: ServerPinView) -> ShownChange {
    let ServerPinView { pinned_at, now, differences, .. } = pin;
    ShownChange::new(String::new(), pinned_at.into(), now, differences)
}

impl ShownChange {
    fn new(name: String, since: Moment, now: Digest, differences: Vec<Difference>) -> Self {
        let is_cut = differences.len() >= Difference::MAX;
        Self { name, since, now, differences: differences.into_iter().map(ShownDifference::from).collect(), is_cut }
    }
}

impl From<Difference> for ShownDifference {
    fn from(Difference { path, pinned, now }: Difference) -> Self {
        Self { words: difference_words::in_words(&path), path, before: pinned.map(text), now: now.map(text) }
    }
}

/// A text as it reads, and everything else as JSON.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
