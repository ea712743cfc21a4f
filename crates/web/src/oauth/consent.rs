//! The page on which a person decides, and what they decided. The request comes sealed: what is decided on is what was looked at, and in the
//! sign-in in which it was looked at.

use std::sync::Arc;

use app::{
    App, PendingRequest,
    accounts::{self, Membership},
    tokens::authorize::{self, Asked, Decision, Offered, Refusal},
};
use askama::Template;
use axum::{
    Extension,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use domain::{CustomerId, RequestId, Scope, Scopes};
use http::StatusCode;
use oauth::AuthorizationRequest;
use url::form_urlencoded;

use super::{
    consent_page::{self, ConsentPage, CustomerChoice, ServerShown},
    refusal::Refused,
};
use crate::{
    account::{
        fields::Faults,
        form::PostedForm,
        page::{Frame, HtmlPage, see_other},
        return_to::ReturnTo,
        signed_in::{MaybeSignedIn, SignedIn},
    },
    consent_words,
};

const PATH: &str = "/oauth/consent";

/// Somebody who is signed in and asked by a client.
struct Question {
    who: SignedIn,
    pending: PendingRequest,
    asked: Asked,
}

/// What was chosen before, if the form comes back.
struct Chosen<'a> {
    form: &'a PostedForm,
    faults: Faults,
}

/// The page for somebody whom the client's request concerns, but who may not do what it asks for.
#[derive(Template)]
#[template(path = "not_yours.html")]
struct NotYoursPage {
    frame: Frame,
    client_name: String,
    email: String,
    switch: String,
    /// Where the client is told.
    back: String,
}

/// The path of the page for a sealed request; none if it is too long to be gone back to after a sign-in.
pub(super) fn path(sealed: &str) -> Option<ReturnTo> {
    ReturnTo::parse(&format!("{PATH}?request={sealed}"))
}

/// Shows who asks for what; whoever is not signed in does that first, and comes back.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    MaybeSignedIn(who): MaybeSignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let refused = |refusal| Refused::new(refusal, request_id);
    let sealed = request_of(query.as_deref().unwrap_or_default());
    let (Some(pending), Some(path)) = (PendingRequest::open(&app, &sealed), path(&sealed)) else {
        return Err(Refused::expired(request_id));
    };
    let Some(who) = who else { return Ok(see_other(&path.after("/sign-in"))) };
    if !pending.accepts(&who.person) {
        return Ok(see_other(&sign_in_again(&path)));
    }
    let asked = ask_again(&app, &pending).await.map_err(refused)?;
    Question { who, pending, asked }.page(&app, &path, None).await.map_err(refused)
}

/// Does what was decided, and sends the browser back to the client (303).
pub(super) async fn decide(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    MaybeSignedIn(who): MaybeSignedIn,
    form: PostedForm,
) -> Result<Response, Refused> {
    let refused = |refusal| Refused::new(refusal, request_id);
    let open = |who: SignedIn| {
        let pending = PendingRequest::open_for_decision(&app, &who.person, form.text("request"))?;
        Some((who, pending))
    };
    let Some((who, pending)) = who.and_then(open) else { return Err(Refused::expired(request_id)) };
    let asked = ask_again(&app, &pending).await.map_err(refused)?;
    let question = Question { who, pending, asked };
    match question.decision(&form) {
        Ok(decision) => {
            let decided = authorize::decide(&app, &question.who.person, question.who.from, &question.asked, decision).await;
            Ok(see_other(&decided.map_err(refused)?))
        }
        Err(faults) => {
            let sealed = question.pending.seal(&app).map_err(|error| refused(error.into()))?;
            let path = path(&sealed).unwrap_or_else(ReturnTo::account);
            question.page(&app, &path, Some(Chosen { form: &form, faults })).await.map_err(refused)
        }
    }
}

impl Question {
    /// The page, or the one that says that there is nothing to decide.
    async fn page(&self, app: &App, path: &ReturnTo, chosen: Option<Chosen<'_>>) -> Result<Response, Refusal> {
        let Self { who, asked, pending } = self;
        let email = accounts::load(app, &who.caller()).await?.email.to_string();
        let switch = sign_in_again(path);
        let offer = match authorize::offer(app, &who.person, asked).await {
            Ok(offer) => offer,
            Err(Refusal::Reply(back)) => return Ok(not_yours(asked, email, switch, back)),
            Err(refusal) => return Err(refusal),
        };
        let status = if chosen.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let (form, faults) = chosen.map_or_else(Default::default, |chosen| (Some(chosen.form), chosen.faults));
        let redirect_uri = asked.reply.redirect_uri();
        let is_ticked = |scope: &Scope| form.is_none_or(|form| !form.text(&consent_page::field_of(scope)).is_empty());
        let hold_back = consent_page::hold_back(&offer, form);
        let (lead, server, customers) = subject(offer.subject, form);
        let page = ConsentPage {
            frame: Frame::narrow("Let an app in"),
            lead,
            faults,
            client_name: asked.client.name(),
            client_origin: consent_words::origin_of(asked.client.host().as_deref()),
            redirect_shown: redirect_uri.shown().to_owned(),
            warnings: consent_page::warnings(asked.client.id(), redirect_uri),
            server,
            email,
            switch,
            customers,
            is_choice: self.is_choice(),
            scopes: consent_page::choices(&asked.scopes, is_ticked),
            hold_back,
            csrf: who.csrf.clone(),
            request: pending.seal_for_decision(app, &who.person)?,
        };
        let page = HtmlPage::new(page).with_status(status).with_form_origin(consent_page::form_origin(redirect_uri));
        Ok(page.into_response())
    }

    /// What the form says; or what is missing in it.
    fn decision(&self, form: &PostedForm) -> Result<Decision, Faults> {
        match form.text("decision") {
            "allow" => {}
            "deny" => return Ok(Decision::Deny),
            _ => return Err(Faults::general("press one of the two buttons")),
        }
        let is_left = |scope: &&Scope| !self.is_choice() || !form.text(&consent_page::field_of(scope)).is_empty();
        let scopes = Scopes::of(self.asked.scopes.iter().filter(is_left).cloned());
        if scopes.is_empty() {
            return Err(Faults::general("nothing is ticked: tick what the app may do, or deny it everything"));
        }
        let customer = form.text("customer");
        let customer = match customer.parse::<CustomerId>() {
            Ok(customer) => Some(customer),
            Err(_) if customer.is_empty() => None,
            Err(_) => return Err(Faults::general("choose one of the customers")),
        };
        Ok(Decision::Allow { scopes, customer, pins_definitions: consent_page::holds_back(form) })
    }

    fn is_choice(&self) -> bool {
        self.asked.scopes.iter().count() > 1
    }
}

/// Reads and checks the request anew: since it was sealed, its client may have gone or changed.
async fn ask_again(app: &App, pending: &PendingRequest) -> Result<Asked, Refusal> {
    match AuthorizationRequest::parse(app.issuer(), &pending.query) {
        Ok(request) => authorize::begin(app, &request).await,
        Err(fault) => Err(authorize::refuse(app, fault).await),
    }
}

fn request_of(query: &str) -> String {
    let found = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "request");
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// What the page says of what the client would use.
pub(super) fn subject(offered: Offered, form: Option<&PostedForm>) -> (&'static str, Option<ServerShown>, Vec<CustomerChoice>) {
    match offered {
        Offered::Server { slug, title, .. } => {
            let server = ServerShown { title: title.to_string(), path: format!("/mcp/{slug}") };
            ("It wants to use a server for you.", Some(server), Vec::new())
        }
        Offered::Management { customers } => {
            let chosen = form.and_then(|form| form.text("customer").parse::<CustomerId>().ok());
            let is_only = customers.len() == 1;
            let choice = |membership: Membership| CustomerChoice {
                id: membership.customer,
                name: membership.customer_name.to_string(),
                role: membership.role,
                is_chosen: is_only || chosen == Some(membership.customer),
            };
            ("It wants to look after a customer's servers for you.", None, customers.into_iter().map(choice).collect())
        }
    }
}

fn not_yours(asked: &Asked, email: String, switch: String, back: String) -> Response {
    let frame = Frame::narrow("You cannot use this");
    let page = NotYoursPage { frame, client_name: asked.client.name(), email, switch, back };
    HtmlPage::new(page).with_status(StatusCode::FORBIDDEN).into_response()
}

/// Where somebody who is signed in signs in once more, or as somebody else, and comes back.
fn sign_in_again(path: &ReturnTo) -> String {
    format!("{}&again=1", path.after("/sign-in"))
}
