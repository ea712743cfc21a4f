//! Secrets of a server, sealed: nothing here can open them. They share their names with the environment.

use chrono::{DateTime, Utc};
use domain::{CustomerId, EnvName, HostPattern, ServerId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{StoreError, data_keys::SealedDataKey, environment, number};

/// A secret as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The name that tools are granted.
    pub name: EnvName,
    /// Which value of this name it is, from 1.
    pub version: u64,
    /// The data key that opens it.
    pub data_key: Uuid,
    /// The value, sealed.
    pub sealed: Vec<u8>,
    /// The only hosts that may receive it; none of them: those that the grants name.
    pub hosts: Vec<HostPattern>,
    /// When it was written last.
    pub updated_at: DateTime<Utc>,
}

/// A secret and the key that opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretWithKey {
    /// The secret.
    pub secret: SealedSecret,
    /// The key, sealed as well.
    pub key: SealedDataKey,
}

/// Begins to write a secret: keeps others from writing to this server until the transaction ends, and gives the version that the value will
/// have; `None` if the customer has no such server. Fails with [`StoreError::EnvironmentFull`] beyond [`environment::VALUES_MAX`].
pub async fn begin_write(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    name: &EnvName,
) -> Result<Option<u64>, StoreError> {
    if !environment::make_room(connection, customer, server, name).await? {
        return Ok(None);
    }
    let before = sqlx::query_scalar!(
        r#"SELECT max(version) AS "version" FROM secrets WHERE server_id = $1 AND name = $2"#,
        server.as_uuid(),
        name.as_str()
    )
    .fetch_one(connection)
    .await
    .map_err(StoreError::during("find a secret's version"))?;
    let before: u64 = number::read("version of a secret", before.unwrap_or_default())?;
    Ok(Some(before + 1))
}

/// Writes a secret after [`begin_write`], in the same transaction; a plain value of its name is gone.
pub async fn upsert(connection: &mut PgConnection, server: ServerId, secret: &SealedSecret) -> Result<(), StoreError> {
    let during = || StoreError::during("write a secret");
    let hosts: Vec<String> = secret.hosts.iter().cloned().map(String::from).collect();
    sqlx::query!("DELETE FROM environment WHERE server_id = $1 AND name = $2", server.as_uuid(), secret.name.as_str())
        .execute(&mut *connection)
        .await
        .map_err(during())?;
    sqlx::query!(
        "INSERT INTO secrets (server_id, name, version, data_key_id, sealed, hosts, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (server_id, name) DO UPDATE SET version = $3, data_key_id = $4, sealed = $5, hosts = $6, updated_at = $7",
        server.as_uuid(),
        secret.name.as_str(),
        number::write("version of a secret", secret.version)?,
        secret.data_key,
        secret.sealed,
        &hosts,
        secret.updated_at
    )
    .execute(connection)
    .await
    .map_err(during())?;
    Ok(())
}

/// The secrets of a customer's server, with the keys that open them. [`environment::VALUES_MAX`] bounds how many there are.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
) -> Result<Vec<SecretWithKey>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT secrets.name, version, secrets.data_key_id, secrets.sealed, hosts, updated_at, master_key_id,
            data_keys.sealed AS key_sealed, data_keys.created_at AS key_created_at
        FROM secrets JOIN servers USING (server_id) JOIN data_keys USING (data_key_id)
        WHERE servers.customer_id = $1 AND server_id = $2
        ORDER BY secrets.name"#,
        customer.as_uuid(),
        server.as_uuid()
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list secrets"))?;
    rows.into_iter().map(|row| row.read(customer)).collect()
}

/// Up to `limit` secrets of a customer's that another data key than `data_key` seals, each with its server, and locked: nobody writes them until
/// the transaction ends.
pub async fn lock_under_others(
    connection: &mut PgConnection,
    customer: CustomerId,
    data_key: Uuid,
    limit: i64,
) -> Result<Vec<(ServerId, SealedSecret)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT server_id, name, version, data_key_id, sealed, hosts, updated_at
        FROM secrets JOIN servers USING (server_id)
        WHERE customer_id = $1 AND data_key_id <> $2
        ORDER BY server_id, name LIMIT $3 FOR UPDATE OF secrets",
        customer.as_uuid(),
        data_key,
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("lock secrets"))?;
    let read = |row: SealedRow| row.read();
    rows.into_iter()
        .map(|row| {
            let server = ServerId::from_uuid(row.server_id);
            let secret = read(SealedRow {
                name: row.name,
                version: row.version,
                data_key_id: row.data_key_id,
                sealed: row.sealed,
                hosts: row.hosts,
                updated_at: row.updated_at,
            })?;
            Ok((server, secret))
        })
        .collect()
}

/// Replaces how a secret is sealed; its value, its version and its time stay.
pub async fn reseal(connection: &mut PgConnection, server: ServerId, secret: &SealedSecret) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE secrets SET data_key_id = $4, sealed = $5 WHERE server_id = $1 AND name = $2 AND version = $3",
        server.as_uuid(),
        secret.name.as_str(),
        number::write("version of a secret", secret.version)?,
        secret.data_key,
        secret.sealed
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("seal a secret anew"))?;
    Ok(())
}

struct SealedRow {
    name: String,
    version: i64,
    data_key_id: Uuid,
    sealed: Vec<u8>,
    hosts: Vec<String>,
    updated_at: DateTime<Utc>,
}

struct Row {
    name: String,
    version: i64,
    data_key_id: Uuid,
    sealed: Vec<u8>,
    hosts: Vec<String>,
    updated_at: DateTime<Utc>,
    master_key_id: String,
    key_sealed: Vec<u8>,
    key_created_at: DateTime<Utc>,
}

impl SealedRow {
    fn read(self) -> Result<SealedSecret, StoreError> {
        Ok(SealedSecret {
            name: self.name.parse().map_err(StoreError::corrupt("name of a secret"))?,
            version: number::read("version of a secret", self.version)?,
            data_key: self.data_key_id,
            sealed: self.sealed,
            hosts: read_hosts(&self.hosts)?,
            updated_at: self.updated_at,
        })
    }
}

impl Row {
    fn read(self, customer: CustomerId) -> Result<SecretWithKey, StoreError> {
        let key = SealedDataKey {
            id: self.data_key_id,
            customer: Some(customer),
            master: self.master_key_id,
            sealed: self.key_sealed,
            created_at: self.key_created_at,
        };
        let secret = SealedRow {
            name: self.name,
            version: self.version,
            data_key_id: self.data_key_id,
            sealed: self.sealed,
            hosts: self.hosts,
            updated_at: self.updated_at,
        };
        Ok(SecretWithKey { secret: secret.read()?, key })
    }
}

pub(crate) fn read_hosts(hosts: &[String]) -> Result<Vec<HostPattern>, StoreError> {
    hosts.iter().map(|host| host.parse().map_err(StoreError::corrupt("host of a secret"))).collect()
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::{
        data_keys,
        fixtures::{self, at, connect, data_key},
    };

    async fn write(connection: &mut PgConnection, customer: CustomerId, server: ServerId, name: &str, key: Uuid) -> u64 {
        let name: EnvName = name.parse().unwrap();
        let version = begin_write(connection, customer, server, &name).await.unwrap().unwrap();
        let hosts = vec!["api.example.com".parse().unwrap()];
        let secret = SealedSecret { name, version, data_key: key, sealed: vec![7; 50], hosts, updated_at: at(0) };
        upsert(connection, server, &secret).await.unwrap();
        version
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_secret_reads_back_sealed_with_its_key_and_a_higher_version(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let key = data_key(Some(customer), 0);
        data_keys::insert(&mut connection, &key).await.unwrap();

        assert_eq!(write(&mut connection, customer, server, "KEY", key.id).await, 1);
        assert_eq!(write(&mut connection, customer, server, "KEY", key.id).await, 2);

        let listed = list(&mut connection, customer, server).await.unwrap();
        assert_eq!((listed.len(), listed[0].secret.version, &listed[0].key), (1, 2, &key));
        assert_eq!(listed[0].secret.hosts[0].as_str(), "api.example.com");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_name_is_a_plain_value_or_a_secret(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let key = data_key(Some(customer), 0);
        data_keys::insert(&mut connection, &key).await.unwrap();

        fixtures::environment(&mut connection, customer, server, "KEY", "plain").await;
        write(&mut connection, customer, server, "KEY", key.id).await;
        assert!(environment::load_values(&mut connection, customer, server).await.unwrap().is_empty());
        fixtures::environment(&mut connection, customer, server, "KEY", "plain").await;
        assert!(list(&mut connection, customer, server).await.unwrap().is_empty());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn another_customer_does_not_see_the_secret(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let owner = fixtures::customer(&mut connection, "free").await;
        let other = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, owner, "weather").await;
        let key = data_key(Some(owner), 0);
        data_keys::insert(&mut connection, &key).await.unwrap();
        write(&mut connection, owner, server, "KEY", key.id).await;

        assert_eq!(begin_write(&mut connection, other, server, &"KEY".parse().unwrap()).await.unwrap(), None);
        assert!(list(&mut connection, other, server).await.unwrap().is_empty());
        assert!(lock_under_others(&mut connection, other, Uuid::nil(), 10).await.unwrap().is_empty());
        assert_eq!(lock_under_others(&mut connection, owner, Uuid::nil(), 10).await.unwrap().len(), 1);
    }
}
