//! Who may use a customer's server by tokens, for its owners to see and to end.

use chrono::{DateTime, Utc};
use domain::{AccessId, ClientKey, EmailAddress, Scopes, Slug};
use oauth::ClientMetadata;
use store::server_access::{Access, Holder, Wanted};

use crate::{
    App, AppError, Caller, Page, PageRequest, Who,
    access::{self, Operation},
    audit::About,
    consents, servers, uses,
};

/// The access that a client has to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessView {
    /// Its id.
    pub access_id: AccessId,
    /// The client, as it names itself.
    pub client_id: String,
    /// What it is called.
    pub client_name: String,
    /// Where it comes from; absent of a client that registered itself, of which nobody knows, and of one that acts for itself.
    pub client_host: Option<String>,
    /// Whom it acts for.
    pub acts_for: ActsFor,
    /// What for.
    pub scopes: Scopes,
    /// Since when.
    pub given_at: DateTime<Utc>,
    /// Authorizations that are in force: one for each place where the client was let in.
    pub authorizations: u64,
    /// Whether the client can go on while whoever let it in is away: it has a refresh token.
    pub is_offline: bool,
    /// When it was last used, to the minute; absent if it never was, or nothing of it has been in force for a day.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Whom a client acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActsFor {
    /// A member of the customer. The address is there for owners who are signed in: keys have nothing to do with people.
    Member(Option<EmailAddress>),
    /// A person outside, of whom nothing is said.
    Outsider,
    /// The customer itself.
    Customer,
}

/// Who may use the caller's server, newest first.
pub async fn list(app: &App, caller: &Caller, slug: &Slug, page: &PageRequest) -> Result<Page<AccessView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListServerAccess)?;
    uses::write(app).await?;
    let mut connection = app.pool.acquire().await?;
    let server = servers::load_own(&mut connection, customer, slug).await?.id;
    let wanted = Wanted { customer, server, after: page.after()?, limit: page.fetch_max() };
    let found = store::server_access::list(&mut connection, wanted, app.clock.now()).await?;
    drop(connection);
    let page = page.page(found, |access| access.id);
    let views = page.items.into_iter().map(|access| view(access, caller)).collect::<Result<_, _>>()?;
    Ok(Page { items: views, next_cursor: page.next_cursor })
}

/// Ends an access to the caller's server: its tokens open nothing from then on, on every node. A person whom the server's policy lets in can let the client in
/// again; a client that acts for itself is deleted.
pub async fn end(app: &App, caller: &Caller, slug: &Slug, access: AccessId) -> Result<(), AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::EndServerAccess)?;
    let mut deed = intent.begin(app).await?;
    let server = servers::load_own(&mut deed, customer, slug).await?.id;
    let ended = store::server_access::delete(&mut deed, customer, server, access).await?;
    let ended = ended.ok_or_else(|| AppError::not_found("access", access))?;
    let about = About::a("access").id(access.as_uuid()).named(slug).detail("machine", ended.given.is_none());
    let about = about.detail("authorizations_ended", ended.authorizations.len());
    let about = match &ended.given {
        Some(given) => about.detail("client_name", given.client_name.as_str()).concerning(given.user),
        None => about,
    };
    deed.commit(about).await?;
    if ended.given.is_none() {
        app.memory.clients.drop_one(&ClientKey::from_uuid(access.as_uuid()));
    }
    for authorization in ended.authorizations {
        app.memory.forget_authorization(authorization);
    }
    tracing::info!(%customer, %access, server = %slug, "ended an access to a server");
    Ok(())
}

fn view(access: Access, caller: &Caller) -> Result<AccessView, AppError> {
    let Access { id, client_id, holder, scopes, given_at, authorizations, is_offline, last_used_at } = access;
    let is_signed_in = matches!(caller.who, Who::Member(_));
    let (client_name, acts_for) = match holder {
        Holder::Person { client_name, email, is_member: true } => (client_name, ActsFor::Member(is_signed_in.then_some(email))),
        Holder::Person { client_name, is_member: false, .. } => (client_name, ActsFor::Outsider),
        Holder::Machine { metadata } => (name_of(&metadata)?, ActsFor::Customer),
    };
    let client_host = consents::host_of(&client_id);
    Ok(AccessView {
        access_id: id,
        client_id,
        client_name,
        client_host,
        acts_for,
        scopes,
        given_at,
        authorizations,
        is_offline,
        last_used_at,
    })
}

fn name_of(metadata: &str) -> Result<String, AppError> {
    let metadata: ClientMetadata = serde_json::from_str(metadata)
        .map_err(|error| AppError::internal("the database holds metadata of a client that cannot be understood", error))?;
    Ok(metadata.name.map(|name| name.to_string()).unwrap_or_default())
}
