//! The environment of a server: values that its tools read with `ctx.env`, and secrets that they use with `ctx.secret` and its like, where they
//! were granted the name. A secret is written and never read: what is told of it is that it is there.

use chrono::{DateTime, Utc};
use domain::{EnvName, EnvValue, HostPattern, Slug};
use secrecy::SecretString;
use store::environment::{EnvironmentEntry, EnvironmentValue};

/// What is under a name.
pub use store::environment::Kept;

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    audit::About,
    secrets,
    servers::load_own,
};

/// What a name is set to.
#[derive(Debug, Clone)]
pub enum NewEnvValue {
    /// A value that its owner can read back, and that guests hold.
    Plain(EnvValue),
    /// A value that nobody reads any more: it is sealed, and put in on the way out.
    Secret {
        /// The value: 1 to [`NewEnvValue::SECRET_CHARS_MAX`] characters, without control characters other than tab and line feed.
        value: SecretString,
        /// The only hosts that may receive it, whatever a tool is granted; none of them: those that the grants name.
        hosts: Vec<HostPattern>,
    },
}

impl NewEnvValue {
    /// As many as a plain value may have: room for a private key.
    pub const SECRET_CHARS_MAX: usize = EnvValue::CHARS_MAX;
}

/// A name, and what can be told of what is under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvView {
    /// The name.
    pub name: EnvName,
    /// The value; of a secret, only where it may go.
    pub kept: Kept,
    /// When it was last put.
    pub updated_at: DateTime<Utc>,
}

/// Sets a name to a value or a secret; the next call uses it. A server can have [`store::environment::VALUES_MAX`] of them.
pub async fn put(app: &App, caller: &Caller, slug: &Slug, name: EnvName, new: NewEnvValue) -> Result<EnvView, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::PutEnvironment)?;
    let updated_at = app.clock.now();
    let mut deed = intent.begin(app).await?;
    let server = load_own(&mut deed, customer, slug).await?.id;
    // The name alone: values may be private as well.
    let about = About::a("environment").id(server.as_uuid()).named(&format!("{slug}/{name}"));
    let (kept, about) = match new {
        NewEnvValue::Plain(value) => {
            let written = EnvironmentValue { name: name.clone(), value: value.clone(), updated_at };
            if !store::environment::upsert(&mut deed, customer, server, &written).await? {
                return Err(AppError::not_found("server", slug));
            }
            (Kept::Plain(value), about.detail("secret", false))
        }
        NewEnvValue::Secret { value, hosts } => {
            let new = secrets::NewSecret { name: &name, value, hosts: &hosts, updated_at };
            secrets::put(app, &mut deed, customer, server, new).await?;
            let about = about.detail("secret", true).list("hosts", hosts.iter().map(ToString::to_string));
            (Kept::Secret { hosts }, about)
        }
    };
    deed.commit(about).await?;
    app.memory.forget_server(slug);
    Ok(EnvView { name, kept, updated_at })
}

/// The names of a server, in their order.
pub async fn list(app: &App, caller: &Caller, slug: &Slug, page: &PageRequest) -> Result<Page<EnvView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListEnvironment)?;
    let mut connection = app.pool.acquire().await?;
    let server = load_own(&mut connection, customer, slug).await?;
    let after = page.after()?;
    let found = store::environment::list(&mut connection, customer, server.id, after.as_ref(), page.fetch_max()).await?;
    Ok(page.page(found, |value| value.name.clone()).map(EnvView::from))
}

/// One name.
pub async fn load(app: &App, caller: &Caller, slug: &Slug, name: &EnvName) -> Result<EnvView, AppError> {
    let customer = access::require_customer(caller, Operation::LoadEnvironment)?;
    let mut connection = app.pool.acquire().await?;
    let server = load_own(&mut connection, customer, slug).await?;
    let found = store::environment::find(&mut connection, customer, server.id, name).await?;
    found.map(EnvView::from).ok_or_else(|| AppError::not_found("environment value", name))
}

/// Deletes a value or a secret.
pub async fn delete(app: &App, caller: &Caller, slug: &Slug, name: &EnvName) -> Result<(), AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::DeleteEnvironment)?;
    let mut deed = intent.begin(app).await?;
    let server = load_own(&mut deed, customer, slug).await?.id;
    if !store::environment::delete(&mut deed, customer, server, name).await? {
        return Err(AppError::not_found("environment value", name));
    }
    deed.commit(About::a("environment").id(server.as_uuid()).named(&format!("{slug}/{name}"))).await?;
    app.memory.forget_server(slug);
    Ok(())
}

impl From<EnvironmentEntry> for EnvView {
    fn from(entry: EnvironmentEntry) -> Self {
        Self { name: entry.name, kept: entry.kept, updated_at: entry.updated_at }
    }
}
