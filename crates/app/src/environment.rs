//! Environment values of a server, which its tools read with `ctx.env` where they were granted the name.

use chrono::{DateTime, Utc};
use domain::{EnvName, EnvValue, Slug};
use store::environment::EnvironmentValue;

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    servers::find_own,
};

/// Whether a value may be shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Its owner can read it back, and guests hold it.
    Plain,
    /// Sealed, and never in a guest: not available yet.
    Secret,
}

/// A value that is to be.
#[derive(Debug, Clone)]
pub struct NewEnvValue {
    /// The value.
    pub value: EnvValue,
    /// Whether it may be shown again.
    pub secret: Secrecy,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvView {
    /// Its name.
    pub name: EnvName,
    /// The value.
    pub value: EnvValue,
    /// When it was last put.
    pub updated_at: DateTime<Utc>,
}

/// Sets a value; the next call reads it. A server can have [`store::environment::VALUES_MAX`] of them.
pub async fn put(app: &App, caller: &Caller, slug: &Slug, name: EnvName, new: NewEnvValue) -> Result<EnvView, AppError> {
    let customer = access::require_customer(caller, Operation::PutEnvironment)?;
    if new.secret == Secrecy::Secret {
        return Err(AppError::invalid(
            "secret values are not available yet: put the value with `secret` false, or wait for them",
        ));
    }
    let mut connection = app.pool.acquire().await?;
    let server = find_own(&mut connection, customer, slug).await?;
    let value = EnvironmentValue { name, value: new.value, updated_at: app.clock.now() };
    if !store::environment::upsert(&mut connection, customer, server.id, &value).await? {
        return Err(AppError::not_found("server", slug));
    }
    app.memory.servers.drop_one(slug);
    Ok(value.into())
}

/// The values of a server, by name.
pub async fn list(app: &App, caller: &Caller, slug: &Slug, page: &PageRequest) -> Result<Page<EnvView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListEnvironment)?;
    let mut connection = app.pool.acquire().await?;
    let server = find_own(&mut connection, customer, slug).await?;
    let after = page.after()?;
    let found = store::environment::list(&mut connection, customer, server.id, after.as_ref(), page.fetch_max()).await?;
    Ok(page.page(found, |value| value.name.clone()).map(EnvView::from))
}

/// One value.
pub async fn load(app: &App, caller: &Caller, slug: &Slug, name: &EnvName) -> Result<EnvView, AppError> {
    let customer = access::require_customer(caller, Operation::LoadEnvironment)?;
    let mut connection = app.pool.acquire().await?;
    let server = find_own(&mut connection, customer, slug).await?;
    let found = store::environment::find(&mut connection, customer, server.id, name).await?;
    found.map(EnvView::from).ok_or_else(|| AppError::not_found("environment value", name))
}

/// Deletes a value.
pub async fn delete(app: &App, caller: &Caller, slug: &Slug, name: &EnvName) -> Result<(), AppError> {
    let customer = access::require_customer(caller, Operation::DeleteEnvironment)?;
    let mut connection = app.pool.acquire().await?;
    let server = find_own(&mut connection, customer, slug).await?;
    let deleted = store::environment::delete(&mut connection, customer, server.id, name).await?;
    app.memory.servers.drop_one(slug);
    if deleted { Ok(()) } else { Err(AppError::not_found("environment value", name)) }
}

impl From<EnvironmentValue> for EnvView {
    fn from(value: EnvironmentValue) -> Self {
        Self { name: value.name, value: value.value, updated_at: value.updated_at }
    }
}
