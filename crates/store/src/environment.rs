//! Environment values of a server: what its tools may read, if they were granted the name.

use chrono::{DateTime, Utc};
use domain::{CustomerId, EnvName, EnvValue, ServerId};
use sqlx::{Connection, PgConnection};

use crate::{StoreError, number};

/// The most values of a server: all of them are in memory while it is served.
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

/// Writes a value, whether there was one or not; `false` if the customer has no such server. Fails with
/// [`StoreError::EnvironmentFull`] beyond [`VALUES_MAX`].
pub async fn upsert(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    value: &EnvironmentValue,
) -> Result<bool, StoreError> {
    let during = || StoreError::during("write an environment value");
    let mut transaction = connection.begin().await.map_err(during())?;
    let locked = sqlx::query!(
        "SELECT server_id FROM servers WHERE customer_id = $1 AND server_id = $2 FOR NO KEY UPDATE",
        customer.as_uuid(),
        server.as_uuid()
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(during())?;
    if locked.is_none() {
        return Ok(false);
    }
    let others = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM environment WHERE server_id = $1 AND name <> $2"#,
        server.as_uuid(),
        value.name.as_str()
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(during())?;
    if number::read::<u32>("number of environment values", others)? >= VALUES_MAX {
        return Err(StoreError::EnvironmentFull { max: VALUES_MAX });
    }
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

/// The values of a customer's server, by name.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    after: Option<&EnvName>,
    limit: i64,
) -> Result<Vec<EnvironmentValue>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT name, value, updated_at FROM environment JOIN servers USING (server_id)
        WHERE customer_id = $1 AND server_id = $2 AND name > $3
        ORDER BY name LIMIT $4",
        customer.as_uuid(),
        server.as_uuid(),
        after.map_or("", EnvName::as_str),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list environment values"))?;
    rows.into_iter().map(EnvironmentValue::try_from).collect()
}

/// One value of a customer's server.
pub async fn find(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    name: &EnvName,
) -> Result<Option<EnvironmentValue>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT name, value, updated_at FROM environment JOIN servers USING (server_id)
        WHERE customer_id = $1 AND server_id = $2 AND name = $3",
        customer.as_uuid(),
        server.as_uuid(),
        name.as_str()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find an environment value"))?;
    row.map(EnvironmentValue::try_from).transpose()
}

/// Deletes a value; `false` if the customer's server has none of that name.
pub async fn delete(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    name: &EnvName,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM environment USING servers
        WHERE servers.server_id = environment.server_id AND customer_id = $1 AND environment.server_id = $2 AND name = $3",
        customer.as_uuid(),
        server.as_uuid(),
        name.as_str()
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete an environment value"))?;
    Ok(done.rows_affected() == 1)
}

struct Row {
    name: String,
    value: String,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for EnvironmentValue {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.name.parse().map_err(StoreError::corrupt("environment name"))?,
            value: row.value.parse().map_err(StoreError::corrupt("environment value"))?,
            updated_at: row.updated_at,
        })
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
        assert_eq!(find(&mut connection, customer, server, &city).await.unwrap().unwrap().value.as_str(), "Rome");

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
        assert_eq!(find(&mut connection, owner, server, &city).await.unwrap().unwrap().value.as_str(), "Oslo");
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
