//! Secrets: sealed on their way in, opened where a server's tools are made ready, never given to anybody (SEC-16).

pub mod rotation;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{CustomerId, EnvName, HostPattern, ServerId};
use secrecy::{ExposeSecret as _, SecretString};
use store::{PgConnection, Transaction, data_keys, secrets::SealedSecret};

use crate::{
    App, AppError,
    environment::NewEnvValue,
    sealing::{DataKey, MasterKeys, Owner, SealError, SecretPlace},
};

/// Hosts that one secret can be bound to: as many as a grant can name for it.
const HOSTS_MAX: usize = domain::Grants::SECRET_HOSTS_MAX;

/// A secret that is to be.
pub(crate) struct NewSecret<'a> {
    pub(crate) name: &'a EnvName,
    pub(crate) value: SecretString,
    pub(crate) hosts: &'a [HostPattern],
    pub(crate) updated_at: DateTime<Utc>,
}

/// A secret that is ready to be used.
#[derive(Debug, Clone)]
pub(crate) struct OpenSecret {
    pub(crate) value: SecretString,
    /// The only hosts that may receive it; none of them: those that the grants name.
    pub(crate) hosts: Vec<HostPattern>,
}

/// Seals and keeps a secret of the customer's server.
pub(crate) async fn put(
    app: &App,
    transaction: &mut Transaction,
    customer: CustomerId,
    server: ServerId,
    new: NewSecret<'_>,
) -> Result<(), AppError> {
    check(&new)?;
    let version = store::secrets::begin_write(transaction, customer, server, new.name).await?;
    let version = version.ok_or_else(|| AppError::not_found("server", server))?;
    let key = sealing_key(transaction, &app.masters, customer, new.updated_at).await?;
    let place = SecretPlace { customer, server, name: new.name, version };
    let sealed = key.seal(&place, &new.value).map_err(|error| AppError::internal("cannot seal a secret", error))?;
    let secret = SealedSecret {
        name: new.name.clone(),
        version,
        data_key: key.id,
        sealed,
        hosts: new.hosts.to_vec(),
        updated_at: new.updated_at,
    };
    Ok(store::secrets::upsert(transaction, server, &secret).await?)
}

/// The secrets of a server among `names`. One that does not open is left out, and told to the log: the tools that do not need it go on.
pub(crate) async fn open(
    app: &App,
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    names: &BTreeSet<EnvName>,
) -> Result<BTreeMap<EnvName, OpenSecret>, AppError> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut opened = BTreeMap::new();
    for found in store::secrets::list(connection, customer, server).await? {
        let secret = found.secret;
        if !names.contains(&secret.name) {
            continue;
        }
        let place = SecretPlace { customer, server, name: &secret.name, version: secret.version };
        match app.masters.open(&found.key).and_then(|key| key.open(&place, &secret.sealed)) {
            Ok(value) => drop(opened.insert(secret.name, OpenSecret { value, hosts: secret.hosts })),
            Err(error) => {
                let name = secret.name;
                tracing::error!(%error, server_id = %server, secret.name = %name, "cannot open the secret `{name}`: tools go without it");
            }
        }
    }
    Ok(opened)
}

/// The data key that seals what this customer puts now, made if there is none. Others wait until the transaction ends.
async fn sealing_key(
    transaction: &mut Transaction,
    masters: &MasterKeys,
    customer: CustomerId,
    now: DateTime<Utc>,
) -> Result<DataKey, AppError> {
    if !data_keys::lock(transaction, customer).await? {
        return Err(AppError::not_found("customer", customer));
    }
    if let Some(sealed) = data_keys::find_newest(transaction, customer).await? {
        return masters.open(&sealed).map_err(key_error);
    }
    let (key, sealed) = masters.make(Owner::Customer(customer), now).map_err(key_error)?;
    data_keys::insert(transaction, &sealed).await?;
    Ok(key)
}

fn key_error(error: SealError) -> AppError {
    AppError::internal("cannot use a data key", error)
}

/// The text of the error holds nothing of the value.
fn check(new: &NewSecret<'_>) -> Result<(), AppError> {
    let value = new.value.expose_secret();
    let characters = value.chars().count();
    let is_text = value.chars().all(|character| !character.is_control() || character == '\t' || character == '\n');
    if !(1..=NewEnvValue::SECRET_CHARS_MAX).contains(&characters) || !is_text {
        return Err(AppError::invalid(format!(
            "`value` of a secret must be 1 to {} characters without control characters other than tab and line feed",
            NewEnvValue::SECRET_CHARS_MAX
        )));
    }
    if new.hosts.len() > HOSTS_MAX {
        return Err(AppError::invalid(format!("`hosts` has {} hosts: {HOSTS_MAX} are allowed", new.hosts.len())));
    }
    Ok(())
}
