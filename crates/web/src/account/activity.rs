//! `/account/activity`: what happened to somebody's account, so that they see what they did not do.

use std::{collections::HashMap, sync::Arc};

use app::{
    App, Page,
    accounts::{
        self, Account,
        activity::{self, Activity, ActivityBy},
        upstream,
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{AuditEntryId, CustomerId};
use http::Uri;

use super::{
    activity_words::{Tone, Words},
    asked_page,
    moment::Moment,
    page::{Frame, FramePerson, HtmlPage},
    signed_in::SignedIn,
};
use crate::error::ApiError;

/// Entries of a page: as many as one looks through.
const ENTRIES_MAX: u32 = 30;

#[derive(Template)]
#[template(path = "activity.html")]
struct ActivityPage {
    frame: Frame,
    entries: Vec<ShownActivity>,
    /// Whether this is where the list begins.
    is_first: bool,
    /// Where the list goes on.
    next: Option<String>,
}

/// Something that happened, as the page shows it.
struct ShownActivity {
    id: AuditEntryId,
    words: Words,
    made: Moment,
    /// From where, as far as it is known: an address, and what it was done with.
    address: Option<String>,
    device: Option<String>,
    is_current: bool,
    /// Whether somebody else may have done it in the person's name.
    is_doubtful: bool,
}

/// What the names in entries stand for.
pub(super) struct Names {
    /// Customers of the person, by id.
    customers: HashMap<CustomerId, String>,
    /// Issuers, by what they are called in paths.
    upstreams: HashMap<String, String>,
}

/// The page.
pub(super) async fn show(State(app): State<Arc<App>>, signed_in: SignedIn, uri: Uri) -> Result<Response, ApiError> {
    let caller = signed_in.caller();
    let account = accounts::load(&app, &caller).await?;
    let part = asked_page::part_of(&uri, ENTRIES_MAX)?;
    let Page { items, next_cursor } = activity::list(&app, &caller, &part).await?;
    let names = Names::of(&app, &account);
    let page = ActivityPage {
        frame: Frame::narrow("Recent activity")
            .wide()
            .of(FramePerson { email: account.email.to_string(), csrf: signed_in.csrf.clone() }),
        entries: items.into_iter().map(|activity| ShownActivity::of(activity, &names)).collect(),
        is_first: !asked_page::is_continued(&uri),
        next: next_cursor.map(|cursor| format!("/account/activity?after={cursor}")),
    };
    Ok(HtmlPage::new(page).into_response())
}

impl Names {
    fn of(app: &App, account: &Account) -> Self {
        let customers = account.memberships.iter();
        Self {
            customers: customers.map(|membership| (membership.customer, membership.customer_name.to_string())).collect(),
            upstreams: upstream::list(app).into_iter().map(|view| (view.id.as_str().to_owned(), view.title)).collect(),
        }
    }

    /// Nothing is called anything.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { customers: HashMap::new(), upstreams: HashMap::new() }
    }

    /// What a customer is called; without a name where the person does not belong to it any more.
    pub(super) fn customer(&self, customer: Option<CustomerId>) -> &str {
        customer.and_then(|customer| self.customers.get(&customer)).map_or("a customer", String::as_str)
    }

    /// What an issuer is called.
    pub(super) fn upstream<'a>(&'a self, id: &'a str) -> &'a str {
        self.upstreams.get(id).map_or(id, String::as_str)
    }
}

impl ShownActivity {
    fn of(activity: Activity, names: &Names) -> Self {
        let words = Words::of(&activity, names);
        Self {
            id: activity.entry_id,
            made: activity.made_at.into(),
            address: activity.address.map(|address| address.to_string()),
            is_current: activity.is_current,
            // What was done by this very sign-in, or by others who may, is no riddle; what failed did no harm.
            is_doubtful: activity.by == ActivityBy::Person && !activity.is_current && words.tone != Tone::Failed,
            device: activity.device,
            words,
        }
    }
}
