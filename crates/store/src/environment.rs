//! The environment of a server: values that its tools may read, and secrets that they may use, if they were granted the name.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{CustomerId, EnvName, EnvValue, HostPattern, ServerId};
use sqlx::{Connection, PgConnection};

use crate::{StoreError, number, secrets};

/// The most values and secrets of a server together: all of them are in memory while it is served.
pub const VALUES_MAX: u32 = 256;

/// A value and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentValue {
    /// The name that tools are granted.
    pub name: EnvName,
    /// The value.
    pub value: EnvValue,
    /// When it was written last.
    pub updated_at: DateTime<Utc>,
}

/// A name of the environment, and what can be told of what is under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentEntry {
    /// The name that tools are granted.
    pub name: EnvName,
    /// What is under it.
    pub kept: Kept,
    /// When it was written last.
    pub updated_at: DateTime<Utc>,
}

/// What is under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// A value that can be read.
    Plain(EnvValue),
    /// A secret.
    Secret {
        /// The only hosts that may receive it; none of them: those that the grants name.
        hosts: Vec<HostPattern>,
    },
}

/// Writes a value, whether there was one or not; a secret of its name is gone. `false` if the customer has no such server. Fails with
/// [`StoreError::EnvironmentFull`] beyond [`VALUES_MAX`].
pub async fn upsert(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    value: &EnvironmentValue,
) -> Result<bool, StoreError> {
    let during = || StoreError::during("write an environment value");
    let mut transaction = connection.begin().await.map_err(during())?;
    if !make_room(&mut transaction, customer, server, &value.name).await? {
        return Ok(false);
    }
    sqlx::query!("DELETE FROM secrets WHERE server_id = $1 AND name = $2", server.as_uuid(), value.name.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(during())?;
    sqlx::query!(
        "INSERT INTO environment (server_id, name, value, updated_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (server_id, name) DO UPDATE SET value = $3, updated_at = $4",
        server.as_uuid(),
        value.name.as_str(),
        value.value.as_str(),
        value.updated_at
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    transaction.commit().await.map_err(during())?;
    Ok(true)
}

/// The names of a customer's server with what is under them, by name.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    after: Option<&EnvName>,
    limit: i64,
) -> Result<Vec<EnvironmentEntry>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT name AS "name!", value, hosts, updated_at AS "updated_at!"
        FROM servers CROSS JOIN LATERAL (
            SELECT name, value, NULL::text[] AS hosts, updated_at FROM environment WHERE environment.server_id = servers.server_id
            UNION ALL
            SELECT name, NULL AS value, hosts, updated_at FROM secrets WHERE secrets.server_id = servers.server_id
        ) AS entries
        WHERE customer_id = $1 AND server_id = $2 AND name > $3
        ORDER BY name LIMIT $4"#,
        customer.as_uuid(),
        server.as_uuid(),
        after.map_or("", EnvName::as_str),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list the environment"))?;
    rows.into_iter().map(EnvironmentEntry::try_from).collect()
}

/// What is under one name of a customer's server.
pub async fn find(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    name: &EnvName,
) -> Result<Option<EnvironmentEntry>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT name AS "name!", value, hosts, updated_at AS "updated_at!"
        FROM servers CROSS JOIN LATERAL (
            SELECT name, value, NULL::text[] AS hosts, updated_at FROM environment WHERE environment.server_id = servers.server_id
            UNION ALL
            SELECT name, NULL AS value, hosts, updated_at FROM secrets WHERE secrets.server_id = servers.server_id
        ) AS entries
        WHERE customer_id = $1 AND server_id = $2 AND name = $3"#,
        customer.as_uuid(),
        server.as_uuid(),
        name.as_str()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find an environment value"))?;
    row.map(EnvironmentEntry::try_from).transpose()
}

/// The values of a customer's server that tools may read: no secrets.
pub async fn load_values(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
) -> Result<BTreeMap<EnvName, EnvValue>, StoreError> {
    let entries = list(connection, customer, server, None, VALUES_MAX.into()).await?;
    let plain = entries.into_iter().filter_map(|entry| match entry.kept {
        Kept::Plain(value) => Some((entry.name, value)),
        Kept::Secret { .. } => None,
    });
    Ok(plain.collect())
}

/// Deletes a value or a secret; `false` if the customer's server has none of that name.
pub async fn delete(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    name: &EnvName,
) -> Result<bool, StoreError> {
    let deleted = sqlx::query_scalar!(
        r#"WITH own AS (
            SELECT server_id FROM servers WHERE customer_id = $1 AND server_id = $2
        ), deleted_values AS (
            DELETE FROM environment USING own WHERE environment.server_id = own.server_id AND name = $3 RETURNING 1 AS one
        ), deleted_secrets AS (
            DELETE FROM secrets USING own WHERE secrets.server_id = own.server_id AND name = $3 RETURNING 1 AS one
        )
        SELECT (SELECT count(*) FROM deleted_values) + (SELECT count(*) FROM deleted_secrets) AS "deleted!""#,
        customer.as_uuid(),
        server.as_uuid(),
        name.as_str()
    )
    .fetch_one(connection)
    .await
    .map_err(StoreError::during("delete an environment value"))?;
    Ok(deleted > 0)
}

/// Keeps others from writing to this server's environment until the transaction ends, and checks that there is room for `name`; `false` if
/// the customer has no such server.
pub(crate) async fn make_room(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    name: &EnvName,
) -> Result<bool, StoreError> {
    let during = || StoreError::during("write to the environment");
    let locked = sqlx::query!(
        "SELECT server_id FROM servers WHERE customer_id = $1 AND server_id = $2 FOR NO KEY UPDATE",
        customer.as_uuid(),
        server.as_uuid()
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(during())?;
    if locked.is_none() {
        return Ok(false);
    }
    let others = sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM environment WHERE server_id = $1 AND name <> $2)
            + (SELECT count(*) FROM secrets WHERE server_id = $1 AND name <> $2) AS "count!""#,
        server.as_uuid(),
        name.as_str()
    )
    .fetch_one(connection)
    .await
    .map_err(during())?;
    if number::read::<u32>("number of environment values", others)? >= VALUES_MAX {
        return Err(StoreError::EnvironmentFull { max: VALUES_MAX });
    }
    Ok(true)
}

struct Row {
    name: String,
    /// A secret has none that could be read.
    value: Option<String>,
    hosts: Option<Vec<String>>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for EnvironmentEntry {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let kept = match row.value {
            Some(value) => Kept::Plain(value.parse().map_err(StoreError::corrupt("environment value"))?),
            None => Kept::Secret { hosts: secrets::read_hosts(&row.hosts.unwrap_or_default())? },
        };
        Ok(Self { name: row.name.parse().map_err(StoreError::corrupt("environment name"))?, kept, updated_at: row.updated_at })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, at, connect};

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_value_is_written_over_and_deleted(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let city = "CITY".parse().unwrap();
        fixtures::environment(&mut connection, customer, server, "CITY", "Oslo").await;
        fixtures::environment(&mut connection, customer, server, "CITY", "Rome").await;
        fixtures::environment(&mut connection, customer, server, "AREA", "").await;

        let names: Vec<_> =
            list(&mut connection, customer, server, None, 10).await.unwrap().into_iter().map(|value| value.name).collect();
        assert_eq!(names, ["AREA".parse().unwrap(), "CITY".parse().unwrap()]);
        assert_eq!(
            find(&mut connection, customer, server, &city).await.unwrap().unwrap().kept,
            Kept::Plain("Rome".parse().unwrap())
        );

        assert!(delete(&mut connection, customer, server, &city).await.unwrap());
        assert!(!delete(&mut connection, customer, server, &city).await.unwrap());
        assert_eq!(find(&mut connection, customer, server, &city).await.unwrap(), None);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn another_customer_does_not_see_the_value(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let owner = fixtures::customer(&mut connection, "free").await;
        let other = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, owner, "weather").await;
        fixtures::environment(&mut connection, owner, server, "CITY", "Oslo").await;
        let city: EnvName = "CITY".parse().unwrap();
        let value = EnvironmentValue { name: city.clone(), value: "Rome".parse().unwrap(), updated_at: at(1) };

        assert!(!upsert(&mut connection, other, server, &value).await.unwrap());
        assert!(!delete(&mut connection, other, server, &city).await.unwrap());
        assert_eq!(find(&mut connection, other, server, &city).await.unwrap(), None);
        assert!(list(&mut connection, other, server, None, 10).await.unwrap().is_empty());
        assert_eq!(
            find(&mut connection, owner, server, &city).await.unwrap().unwrap().kept,
            Kept::Plain("Oslo".parse().unwrap())
        );
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_full_environment_takes_changes_and_nothing_new(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        for index in 0..VALUES_MAX {
            fixtures::environment(&mut connection, customer, server, &format!("V{index}"), "").await;
        }
        fixtures::environment(&mut connection, customer, server, "V0", "changed").await;

        let more = EnvironmentValue { name: "MORE".parse().unwrap(), value: "".parse().unwrap(), updated_at: at(1) };
        let refused = upsert(&mut connection, customer, server, &more).await;

        assert!(matches!(refused, Err(StoreError::EnvironmentFull { max: VALUES_MAX })), "{refused:?}");
    }
}
