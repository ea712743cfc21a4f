//! Clients that a customer makes to act for itself (RFC 6749, section 4.4), such as a nightly job: each may use one server, or look after the
//! customer's servers, and asks for tokens by a secret or by statements that it signs.

use chrono::{DateTime, Utc};
use domain::{ClientKey, CustomerId, Digest, MemberRole, Scope, Scopes, Slug};
pub use oauth::MachineKeys;
use oauth::{AuthMethod, ClientMetadata, Resource, Secret};
pub use store::clients::MachineAudience;
use store::{PgConnection, clients::Machine, machine_clients};

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    audit::About,
    clients::Client,
    servers,
    tokens::random,
};

/// A client that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMachineClient {
    /// What it is called: 1 to 100 characters.
    pub name: String,
    /// What it may use.
    pub audience: NewAudience,
    /// What for: a list with spaces between. Without, everything on a server, or to read what there is.
    pub scope: Option<String>,
    /// The keys that it signs with; without any it gets a secret.
    pub keys: MachineKeys,
}

/// What a client is to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewAudience {
    /// This server of the customer.
    Server(Slug),
    /// The management API, as a member of this role; not as an owner.
    Management(MemberRole),
}

/// A client, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineClientView {
    /// Its id, which it names itself by.
    pub client_id: ClientKey,
    /// What it is called.
    pub name: String,
    /// What it may use.
    pub audience: MachineAudience,
    /// What for.
    pub scopes: Scopes,
    /// How it proves to be itself.
    pub auth_method: AuthMethod,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last asked for a token, to the day; absent if it never did.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Makes a client for the caller's customer; its secret, if it has one, is given back here and never again.
pub async fn create(app: &App, caller: &Caller, new: NewMachineClient) -> Result<(MachineClientView, Option<Secret>), AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::CreateClient)?;
    let NewMachineClient { name, audience, scope, keys } = new;
    let metadata = ClientMetadata::of_machine(&name, keys).map_err(|error| AppError::invalid(error.to_string()))?;
    let scopes = scopes_for(scope.as_deref(), &audience)?;
    let secret = if metadata.needs_secret() { Some(Secret::from_random(random()?)) } else { None };
    let mut deed = intent.begin(app).await?;
    let audience = load_audience(&mut deed, customer, audience).await?;
    let machine = Machine { customer, audience, scopes };
    let client = store::clients::Client {
        key: ClientKey::new(),
        metadata: written(&metadata)?,
        secret_sha256: secret.as_ref().map(|secret| Digest::from_bytes(secret.digest())),
        registration_sha256: None,
        created_at: app.clock.now(),
        last_used_at: None,
        expires_at: None,
        machine: Some(machine.clone()),
    };
    if !machine_clients::insert(&mut deed, &client, &machine).await? {
        let message = format!("a customer has {} clients at most: delete one first", machine_clients::OF_CUSTOMER_MAX);
        return Err(AppError::Conflict { message });
    }
    let about = About::a("client").id(client.key.as_uuid()).named(&name).detail("scopes", machine.scopes.to_string());
    deed.commit(about.detail("audience", audience_of(&machine.audience))).await?;
    tracing::info!(%customer, client = %client.key, "made a client that acts for itself");
    Ok((view(client)?, secret))
}

/// The clients of the caller's customer, newest first.
pub async fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<MachineClientView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListClients)?;
    let found = machine_clients::list(&mut *app.pool.acquire().await?, customer, page.after()?, page.fetch_max()).await?;
    let views = found.into_iter().map(view).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(views, |view| view.client_id))
}

/// One client of the caller's customer.
pub async fn load(app: &App, caller: &Caller, key: ClientKey) -> Result<MachineClientView, AppError> {
    let customer = access::require_customer(caller, Operation::LoadClient)?;
    let found = machine_clients::find(&mut *app.pool.acquire().await?, customer, key).await?;
    view(found.ok_or_else(|| AppError::not_found("client", key))?)
}

/// Deletes a client: it gets no tokens any more, and those that it has open nothing, on every node.
pub async fn delete(app: &App, caller: &Caller, key: ClientKey) -> Result<(), AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::DeleteClient)?;
    let mut deed = intent.begin(app).await?;
    if machine_clients::find(&mut deed, customer, key).await?.is_none() {
        return Err(AppError::not_found("client", key));
    }
    let ended = store::authorizations::list_of_client(&mut deed, key).await?;
    machine_clients::delete(&mut deed, customer, key).await?;
    deed.commit(About::a("client").id(key.as_uuid()).detail("authorizations_ended", ended.len())).await?;
    app.memory.clients.drop_one(&key);
    for authorization in ended {
        app.memory.forget_authorization(authorization);
    }
    tracing::info!(%customer, client = %key, "deleted a client that acted for itself");
    Ok(())
}

/// What a client may be let do: never more than an editor may, and nothing about members.
fn scopes_for(asked: Option<&str>, audience: &NewAudience) -> Result<Scopes, AppError> {
    let resource = match audience {
        NewAudience::Server(slug) => Resource::Server(slug.clone()),
        NewAudience::Management(MemberRole::Owner) => {
            return Err(AppError::invalid("a client that acts for itself is a viewer or an editor: owners are people"));
        }
        NewAudience::Management(_) => Resource::Management,
    };
    let known = oauth::scopes_of(&resource);
    let refused = |known: &Scopes| AppError::invalid(format!("`scope` must be a list of those that there are here: {known}"));
    let given = match asked {
        None => oauth::default_scopes(&resource),
        Some(text) => text.parse::<Scopes>().map_err(|_| refused(&known))?,
    };
    if given.is_empty() || !known.covers(&given) {
        return Err(refused(&known));
    }
    if given.allows(&Scope::MembersWrite) {
        return Err(AppError::invalid("a client that acts for itself has nothing to do with members: leave `members:write` out"));
    }
    Ok(given)
}

fn audience_of(audience: &MachineAudience) -> String {
    match audience {
        MachineAudience::Server { slug, .. } => format!("server {slug}"),
        MachineAudience::Management(role) => format!("management as {}", role.as_str()),
    }
}

async fn load_audience(
    connection: &mut PgConnection,
    customer: CustomerId,
    audience: NewAudience,
) -> Result<MachineAudience, AppError> {
    Ok(match audience {
        NewAudience::Management(role) => MachineAudience::Management(role),
        NewAudience::Server(slug) => {
            let server = servers::load_own(connection, customer, &slug).await?;
            MachineAudience::Server { id: server.id, slug: server.slug }
        }
    })
}

/// Bytes of metadata that are kept, at most.
const METADATA_BYTES_MAX: usize = 32 * 1024;

fn written(metadata: &ClientMetadata) -> Result<String, AppError> {
    let text = serde_json::to_string(metadata)
        .map_err(|error| AppError::internal("the metadata of a client cannot be written", error))?;
    if text.len() > METADATA_BYTES_MAX {
        return Err(AppError::invalid(format!(
            "the keys are too long: they may have {METADATA_BYTES_MAX} bytes with all that is beside them"
        )));
    }
    Ok(text)
}

fn view(kept: store::clients::Client) -> Result<MachineClientView, AppError> {
    let (client_id, created_at, last_used_at) = (kept.key, kept.created_at, kept.last_used_at);
    let client = Client::of(kept)?;
    let machine = client.machine().cloned();
    let machine = machine.ok_or_else(|| AppError::internal("a client is none that acts for itself", "it has no customer"))?;
    Ok(MachineClientView {
        client_id,
        name: client.name(),
        audience: machine.audience,
        scopes: machine.scopes,
        auth_method: client.metadata().auth_method,
        created_at,
        last_used_at,
    })
}
