//! Rotation: new keys under what is sealed, while nodes run. Each step is whole or not at all, so that a rotation that is interrupted is simply
//! begun again. These are for whoever has the database and the master keys, not for callers at the doors.

use chrono::{DateTime, Utc};
use domain::CustomerId;
use store::{Pool, StoreError, data_keys, secrets};

use crate::{
    audit::{About, Act, Intent},
    sealing::{DataKey, MasterKeys, Owner, SealError, SecretPlace},
};

/// Data keys and customers that one statement reads.
const BATCH: i64 = 100;

/// Why a rotation did not end. What was done stays done.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The database failed.
    #[error("cannot read or write sealed keys")]
    Store(#[from] StoreError),
    /// A data key does not open.
    #[error("cannot seal the data key {id} anew")]
    Key {
        /// Which.
        id: uuid::Uuid,
        /// Why.
        source: SealError,
    },
    /// A secret does not open.
    #[error("cannot seal the secret `{name}` of server {server} anew")]
    Secret {
        /// Its name.
        name: domain::EnvName,
        /// Its server.
        server: domain::ServerId,
        /// Why.
        source: SealError,
    },
}

/// What a rotation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Data keys that were sealed anew, or made.
    pub data_keys: u64,
    /// Secrets that were sealed anew.
    pub secrets: u64,
}

/// Seals every data key under the master key that seals. Nodes that have both keys open either, at every moment.
pub async fn rotate_master(pool: &Pool, masters: &MasterKeys, now: DateTime<Utc>) -> Result<Rotated, RotateError> {
    let mut rotated = Rotated::default();
    loop {
        let mut transaction = pool.begin().await?;
        let keys = data_keys::list_under_others(&mut transaction, masters.sealing_id(), BATCH).await?;
        if keys.is_empty() {
            return Ok(rotated);
        }
        let mut sealed = 0;
        for key in keys {
            let resealed = masters.reseal(&key).map_err(|source| RotateError::Key { id: key.id, source })?;
            // Gone, or sealed by somebody who does the same: both are as it should be.
            sealed += u64::from(data_keys::reseal(&mut transaction, &key.master, &resealed).await?);
        }
        if sealed > 0 {
            let about = About::a("master_key").named(masters.sealing_id()).detail("data_keys", sealed);
            Intent::of_program(Act::RotateMasterKey).record(&mut transaction, about, now).await?;
        }
        transaction.commit().await?;
        rotated.data_keys += sealed;
    }
}

/// Gives every customer whose data key was made before `made_before` a new one, and seals its secrets with it.
pub async fn rotate_data_keys(
    pool: &Pool,
    masters: &MasterKeys,
    made_before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Rotated, RotateError> {
    let mut rotated = Rotated::default();
    let mut last = None;
    loop {
        let mut connection = pool.acquire().await?;
        let customers = data_keys::list_customers_with_older(&mut connection, made_before, last, BATCH).await?;
        drop(connection);
        let Some(newest) = customers.last() else { return Ok(rotated) };
        last = Some(*newest);
        for customer in customers {
            let one = rotate_customer(pool, masters, customer, now).await?;
            rotated.data_keys += one.data_keys;
            rotated.secrets += one.secrets;
        }
    }
}

/// One transaction: the customer's secrets are under the old key or under the new one, never under both.
async fn rotate_customer(
    pool: &Pool,
    masters: &MasterKeys,
    customer: CustomerId,
    now: DateTime<Utc>,
) -> Result<Rotated, RotateError> {
    let mut transaction = pool.begin().await?;
    if !data_keys::lock(&mut transaction, customer).await? {
        return Ok(Rotated::default());
    }
    let old = data_keys::list(&mut transaction, customer).await?;
    let mut opened = Vec::new();
    for key in &old {
        opened.push(masters.open(key).map_err(|source| RotateError::Key { id: key.id, source })?);
    }
    let made = masters.make(Owner::Customer(customer), now);
    let (new, sealed) = made.map_err(|source| RotateError::Key { id: uuid::Uuid::nil(), source })?;
    data_keys::insert(&mut transaction, &sealed).await?;
    let mut rotated = Rotated { data_keys: 1, secrets: 0 };
    loop {
        let secrets = secrets::lock_under_others(&mut transaction, customer, new.id, BATCH).await?;
        if secrets.is_empty() {
            break;
        }
        for (server, secret) in secrets {
            let place = SecretPlace { customer, server, name: &secret.name, version: secret.version };
            let again = reseal(&opened, &new, &place, &secret);
            let again = again.map_err(|source| RotateError::Secret { name: secret.name.clone(), server, source })?;
            secrets::reseal(&mut transaction, server, &again).await?;
            rotated.secrets += 1;
        }
    }
    data_keys::delete_unused(&mut transaction, customer, new.id).await?;
    let about = About::a("data_key").id(new.id).detail("secrets", rotated.secrets);
    Intent::of_program(Act::RotateDataKey).of(customer).record(&mut transaction, about, now).await?;
    transaction.commit().await?;
    Ok(rotated)
}

fn reseal(
    old: &[DataKey],
    new: &DataKey,
    place: &SecretPlace<'_>,
    secret: &secrets::SealedSecret,
) -> Result<secrets::SealedSecret, SealError> {
    let key = old.iter().find(|key| key.id == secret.data_key).ok_or(SealError::Broken)?;
    let value = key.open(place, &secret.sealed)?;
    Ok(secrets::SealedSecret { data_key: new.id, sealed: new.seal(place, &value)?, ..secret.clone() })
}
