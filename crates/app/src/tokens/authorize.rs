//! The authorization endpoint's rules (RFC 6749, section 4.1): a client asks, a person who is signed in decides, and the client gets a code. Nothing is
//! kept before somebody has said yes.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{AccessPolicy, AuthorizationId, ConsentId, CustomerId, Digest, Scopes, ServerId, ServerTitle, Slug};
use oauth::{
    AuthorizationRequest, AuthorizeError, AuthorizeErrorCode, AuthorizeFault, Challenge, CheckedReply, PageFault, Resource,
    Secret,
};
use store::{
    Transaction,
    authorizations::{self, Authorization, Given},
    codes::{self, Code, CodeState},
    consents::{self, Consent, Subject},
    members::Membership,
    pins::PinHolder,
};

use super::exchange::random;
use crate::{
    App, AppError, PersonCaller, Whence,
    audit::{About, Act, Intent},
    catalogue::{self, ServedServer},
    clients::{self, Client, ClientError},
    pins, policies,
};

/// A request whose client is known and owns the address that the answer goes to. Nobody has been asked yet.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Who asks.
    pub client: Arc<Client>,
    /// Where the answer goes.
    pub reply: CheckedReply,
    /// What it wants to use. Whether it is there is for nobody to know who is not signed in (SEC-17).
    pub resource: Resource,
    /// What for.
    pub scopes: Scopes,
    /// What the person is to be asked.
    pub prompt: oauth::Prompt,
    challenge: Challenge,
}

/// What a person decides on.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What the client would use.
    pub subject: Offered,
    /// What the person let this client do with it before; absent if nothing. For the management it is of the first customer.
    pub given: Option<Scopes>,
    /// Whether it is proposed to them to hold back what changes from now on (SEC-18): as they had it before; else where the server is none of a
    /// customer that they are a member of.
    pub pins_definitions: bool,
}

/// What a client would use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// A server.
    Server {
        /// Its id.
        id: ServerId,
        /// Its public name.
        slug: Slug,
        /// What people call it.
        title: ServerTitle,
        /// Who may use it.
        access: AccessPolicy,
        /// Whether the person is a member of the customer whose it is.
        is_own: bool,
    },
    /// One of the customers that the person is a member of, to be chosen by them; one at least.
    Management {
        /// The customers.
        customers: Vec<Membership>,
    },
}

/// What a person allows a client.
pub(super) struct Approval<'a> {
    pub(super) client: &'a Client,
    pub(super) resource: &'a Resource,
    pub(super) subject: Subject,
    pub(super) scopes: Scopes,
    /// The server whose definitions are pinned with it.
    pub(super) pinned: Option<Arc<ServedServer>>,
}

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The client may do this.
    Allow {
        /// For what: all that was asked for, or less.
        scopes: Scopes,
        /// For which customer, where the management is what it wants.
        customer: Option<CustomerId>,
        /// Whether what changes from now on on the server is held back until the person accepts it (SEC-18).
        pins_definitions: bool,
    },
    /// It may not.
    Deny,
}

/// Why nobody is asked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Shown on a page: there is no address that it could be sent to.
    #[error(transparent)]
    Page(#[from] PageFault),
    /// Shown on a page: who asks is not known.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The client is told, by sending the browser there (303).
    #[error("the client is told that it gets no code")]
    Reply(String),
    /// A fault of ours.
    #[error(transparent)]
    App(#[from] AppError),
}

impl Offered {
    /// What the server says now; nothing of the management, which offers clients nothing that could change.
    pub(super) async fn find_server(&self, app: &App) -> Result<Option<Arc<ServedServer>>, AppError> {
        match self {
            Self::Server { slug, .. } => Ok(Some(catalogue::load_any(app, slug).await?)),
            Self::Management { .. } => Ok(None),
        }
    }

    /// What the client is to use: the server, or the customer that was chosen; where there is one, nothing need be chosen.
    pub(super) fn chosen(self, customer: Option<CustomerId>) -> Option<Subject> {
        match (self, customer) {
            (Self::Server { id, .. }, _) => Some(Subject::Server(id)),
            (Self::Management { customers }, Some(customer)) => {
                customers.iter().any(|membership| membership.customer == customer).then_some(Subject::Customer(customer))
            }
            (Self::Management { customers }, None) => match customers.as_slice() {
                [only] => Some(Subject::Customer(only.customer)),
                _ => None,
            },
        }
    }
}

/// Begins with a request in the right form: finds the client, and checks that the address is its own.
pub async fn begin(app: &App, request: &AuthorizationRequest) -> Result<Asked, Refusal> {
    let client = clients::load(app, &request.reply_to.client_id).await?;
    let reply = request.reply_to.check(client.redirect_uris())?;
    let asked = || {
        if !client.may_use(oauth::GrantType::AuthorizationCode) {
            return Err(AuthorizeError::new(AuthorizeErrorCode::UnauthorizedClient, "the client is not registered for codes"));
        }
        let missing = || {
            AuthorizeError::new(AuthorizeErrorCode::InvalidTarget, "`resource` is missing: it says which server the token is for")
        };
        let resource = request.resource.clone().ok_or_else(missing)?;
        let scopes = oauth::asked_scopes(request.scope.as_deref(), &resource)?;
        Ok((resource, scopes))
    };
    match asked() {
        Ok((resource, scopes)) => {
            Ok(Asked { reply, resource, scopes, prompt: request.prompt, challenge: request.challenge.clone(), client })
        }
        Err(error) => Err(Refusal::Reply(reply.with_error(&app.issuer, &error))),
    }
}

/// What is to be done about a request that is not in the right form: the client is told only at an address of its own.
pub async fn refuse(app: &App, fault: AuthorizeFault) -> Refusal {
    let (reply_to, error) = match fault {
        AuthorizeFault::Page(fault) => return fault.into(),
        AuthorizeFault::Reply { reply_to, error } => (reply_to, error),
    };
    let client = match clients::load(app, &reply_to.client_id).await {
        Ok(client) => client,
        Err(error) => return error.into(),
    };
    match reply_to.check(client.redirect_uris()) {
        Ok(reply) => Refusal::Reply(reply.with_error(&app.issuer, &error)),
        Err(fault) => fault.into(),
    }
}

/// What the person decides on. A server that they may not use, and one that there is not, are refused alike (SEC-17).
pub async fn offer(app: &App, person: &PersonCaller, asked: &Asked) -> Result<Offer, Refusal> {
    let found = find_offer(app, person, &asked.client, &asked.resource).await?;
    found.ok_or_else(|| deny(app, asked, "there is no such resource, or the user may not use it"))
}

/// The same for any client that asks for `resource`; `None` if there is nothing that the person may use.
pub(super) async fn find_offer(
    app: &App,
    person: &PersonCaller,
    client: &Client,
    resource: &Resource,
) -> Result<Option<Offer>, AppError> {
    let subject = match resource {
        Resource::Server(slug) => find_server(app, person, slug).await?,
        Resource::Management => {
            let found = policies::person(app, person.user).await?;
            let customers = found.map(|found| found.memberships.clone()).unwrap_or_default();
            (!customers.is_empty()).then_some(Offered::Management { customers })
        }
    };
    let Some(subject) = subject else { return Ok(None) };
    let first = match &subject {
        Offered::Server { id, .. } => Some(Subject::Server(*id)),
        Offered::Management { customers } => customers.first().map(|membership| Subject::Customer(membership.customer)),
    };
    let given = match first {
        Some(first) => consents::find(&mut *app.pool.acquire().await?, person.user, &client.id().to_string(), first).await?,
        None => None,
    };
    let pins_definitions = match (&given, &subject) {
        (Some(consent), _) => consent.pins_definitions,
        (None, Offered::Server { is_own, .. }) => !is_own,
        (None, Offered::Management { .. }) => false,
    };
    Ok(Some(Offer { subject, given: given.map(|consent| consent.scopes), pins_definitions }))
}

/// Does what the person decided: the address to send the browser to (303), with a code or an error in it.
pub async fn decide(
    app: &App,
    person: &PersonCaller,
    from: Whence,
    asked: &Asked,
    decision: Decision,
) -> Result<String, Refusal> {
    let Decision::Allow { scopes, customer, pins_definitions } = decision else {
        record_refusal(app, person, from, &asked.client, &asked.resource).await?;
        return location(deny(app, asked, "the user said no"));
    };
    let scopes = scopes.within(&asked.scopes);
    if scopes.is_empty() {
        record_refusal(app, person, from, &asked.client, &asked.resource).await?;
        return location(deny(app, asked, "the user allowed nothing of it"));
    }
    let offer = match offer(app, person, asked).await {
        Ok(offer) => offer,
        Err(refusal) => return location(refusal),
    };
    let pinned = if pins_definitions { offer.subject.find_server(app).await? } else { None };
    let subject = offer.subject.chosen(customer);
    let Some(subject) = subject else { return location(deny(app, asked, "the user is no member of this customer")) };
    let approval = Approval { client: &asked.client, resource: &asked.resource, subject, scopes, pinned };
    let code = allow(app, person, from, asked, &approval).await?;
    Ok(asked.reply.with_code(&app.issuer, &code))
}

/// The address that tells the client why it gets no code, for whoever is not even asked: nobody is signed in and nothing may be shown.
#[must_use]
pub fn tell(app: &App, asked: &Asked, code: AuthorizeErrorCode, description: &str) -> String {
    asked.reply.with_error(&app.issuer, &AuthorizeError::new(code, description))
}

/// Writes down consent, authorization and code, in one transaction.
async fn allow(
    app: &App,
    person: &PersonCaller,
    from: Whence,
    asked: &Asked,
    approval: &Approval<'_>,
) -> Result<Secret, Refusal> {
    let now = app.clock.now();
    let code = Secret::from_random(random()?);
    let writing = async {
        let mut transaction = app.pool.begin().await?;
        let authorization = approve(app, &mut transaction, person, from, approval, now).await?;
        let ended = keep(&mut transaction, person, from, &authorization).await?;
        let kept = Code {
            authorization: authorization.id,
            redirect_uri: asked.reply.redirect_uri().as_str().to_owned(),
            code_challenge: Digest::from_bytes(*asked.challenge.as_bytes()),
            expires_at: authorization.expires_at,
            state: CodeState::Fresh,
        };
        codes::insert(&mut transaction, &Digest::from_bytes(code.digest()), &kept).await?;
        transaction.commit().await?;
        Ok::<_, AppError>((authorization, ended))
    };
    let (authorization, ended) = writing.await?;
    forget(app, &authorization, ended);
    clients::touch(app, &asked.client).await?;
    Ok(code)
}

/// Writes down that the person lets the client in, by a sign-in that has not ended, and gives the authorization that comes of it. It lives as long as a code and is not kept yet:
/// both are for whoever has what it is shown by.
pub(super) async fn approve(
    app: &App,
    transaction: &mut Transaction,
    person: &PersonCaller,
    from: Whence,
    approval: &Approval<'_>,
    now: DateTime<Utc>,
) -> Result<Authorization, AppError> {
    let Approval { client, resource, subject, scopes, pinned } = approval;
    // Whoever changes the password, or signs out, ends the sign-in first and then what came of it: either they see this, or this sees that.
    if store::sign_ins::hold(transaction, person.user, person.sign_in).await?.is_none() {
        return Err(AppError::Unauthenticated);
    }
    let consent = Consent {
        id: ConsentId::new(),
        user: person.user,
        client_id: client.id().to_string(),
        client_name: client.name().chars().take(200).collect(),
        subject: *subject,
        scopes: scopes.clone(),
        pins_definitions: pinned.is_some(),
        given_at: now,
        changed_at: now,
    };
    let kept = consents::upsert(transaction, &consent).await?;
    let consent = kept.ok_or_else(|| AppError::Conflict {
        message: format!("you have let as many clients in as one may ({}): take some back first", consents::OF_USER_MAX),
    })?;
    if let Some(server) = pinned {
        pins::pin_for_consent(transaction, consent.id, &consent.scopes, server, now).await?;
    }
    let about = About::a("consent").id(consent.id.as_uuid()).named(&resource.url(&app.issuer));
    let about = about.detail("pins_definitions", consent.pins_definitions);
    let about = about.detail("client_id", consent.client_id.as_str()).detail("client_name", consent.client_name.as_str());
    let intent = Intent::of_person(person, from, Act::GiveConsent).about_subject(*subject);
    intent.record(transaction, about.detail("scopes", scopes.to_string()), now).await?;
    Ok(Authorization {
        id: AuthorizationId::new(),
        given: Some(Given { consent: consent.id, user: consent.user }),
        client_id: consent.client_id,
        client_key: client.key(),
        subject: consent.subject,
        resource: resource.url(&app.issuer),
        scopes: scopes.clone(),
        generation: 0,
        rotated_at: None,
        created_at: now,
        last_used_at: None,
        // That of its code; whoever redeems that moves it.
        expires_at: now + app.settings.oauth.code,
        revoked_at: None,
    })
}

/// Keeps a new authorization, for which the oldest of its consent make room where there are as many as may be; gives those, each of which the log says
/// why it ended.
pub(super) async fn keep(
    transaction: &mut Transaction,
    person: &PersonCaller,
    from: Whence,
    new: &Authorization,
) -> Result<Vec<AuthorizationId>, AppError> {
    let ended = authorizations::insert(transaction, new).await?;
    // What had expired ended by itself.
    for authorization in ended.iter().filter(|authorization| authorization.expires_at > new.created_at) {
        let most = authorizations::OF_CONSENT_MAX;
        let reason = format!("it made room for a new one: {most} of one consent are in force at most");
        let about = About::authorization(authorization).detail("client_id", authorization.client_id.as_str());
        let intent = Intent::of_person(person, from, Act::RevokeAuthorization).about_subject(authorization.subject);
        intent.record(transaction, about.detail("reason", reason), new.created_at).await?;
    }
    Ok(ended.into_iter().map(|authorization| authorization.id).collect())
}

/// Forgets what this node remembers of the consent that was given once more, and of what ended by it, after the transaction.
pub(super) fn forget(app: &App, authorization: &Authorization, ended: Vec<AuthorizationId>) {
    for ended in ended {
        app.memory.forget_authorization(ended);
    }
    let Some(given) = authorization.given else { return };
    app.memory.forget_consent(given.consent);
    if let Subject::Server(server) = authorization.subject {
        app.memory.pins.drop_one(&(PinHolder::Consent(given.consent), server));
    }
}

/// Writes down that the person lets the client not in.
pub(super) async fn record_refusal(
    app: &App,
    person: &PersonCaller,
    from: Whence,
    client: &Client,
    resource: &Resource,
) -> Result<(), AppError> {
    let about = About::a("consent").named(&resource.url(&app.issuer));
    let about = about.detail("client_id", client.id().to_string()).detail("client_name", client.name());
    let deed = Intent::of_person(person, from, Act::RefuseConsent).begin(app).await?;
    deed.commit(about).await
}

/// The server, if there is one that the person may use.
async fn find_server(app: &App, person: &PersonCaller, slug: &Slug) -> Result<Option<Offered>, AppError> {
    let Some(server) = policies::find_server(app, slug, person.user).await? else { return Ok(None) };
    let is_own = policies::role(app, server.customer, person.user).await?.is_some();
    let (id, slug, title) = (server.server_id, server.slug.clone(), server.words.title.clone());
    Ok(Some(Offered::Server { id, slug, title, access: server.access, is_own }))
}

fn deny(app: &App, asked: &Asked, description: &str) -> Refusal {
    Refusal::Reply(tell(app, asked, AuthorizeErrorCode::AccessDenied, description))
}

fn location(refusal: Refusal) -> Result<String, Refusal> {
    match refusal {
        Refusal::Reply(location) => Ok(location),
        refusal => Err(refusal),
    }
}
