//! Customers: the tenants.

use chrono::{DateTime, Utc};
use domain::{CustomerId, CustomerName, TierName};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// What it is called; several may be called the same.
    pub name: CustomerName,
    /// What it pays for.
    pub tier: TierName,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Makes a customer. Fails with [`StoreError::UnknownTier`].
pub async fn insert(connection: &mut PgConnection, customer: &Customer) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO customers (customer_id, name, tier, created_at) VALUES ($1, $2, $3, $4)",
        customer.id.as_uuid(),
        customer.name.as_str(),
        customer.tier.as_str(),
        customer.created_at,
    )
    .execute(connection)
    .await
    .map_err(|error| unknown_tier(error, &customer.tier, "insert a customer"))?;
    Ok(())
}

/// One customer.
pub async fn find(connection: &mut PgConnection, customer: CustomerId) -> Result<Option<Customer>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT customer_id, name, tier, created_at FROM customers WHERE customer_id = $1",
        customer.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a customer"))?;
    row.map(Customer::try_from).transpose()
}

/// One customer, held until the transaction ends: nobody else changes it meanwhile.
pub async fn lock(connection: &mut PgConnection, customer: CustomerId) -> Result<Option<Customer>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT customer_id, name, tier, created_at FROM customers WHERE customer_id = $1 FOR UPDATE",
        customer.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("lock a customer"))?;
    row.map(Customer::try_from).transpose()
}

/// Customers, newest first.
pub async fn list(connection: &mut PgConnection, after: Option<CustomerId>, limit: i64) -> Result<Vec<Customer>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT customer_id, name, tier, created_at FROM customers
        WHERE customer_id < coalesce($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        ORDER BY customer_id DESC LIMIT $2",
        after.map(CustomerId::as_uuid),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list customers"))?;
    rows.into_iter().map(Customer::try_from).collect()
}

/// Gives a customer another tier; `None` if there is no such customer. Fails with [`StoreError::UnknownTier`].
pub async fn set_tier(
    connection: &mut PgConnection,
    customer: CustomerId,
    tier: &TierName,
) -> Result<Option<Customer>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "UPDATE customers SET tier = $2 WHERE customer_id = $1 RETURNING customer_id, name, tier, created_at",
        customer.as_uuid(),
        tier.as_str()
    )
    .fetch_optional(connection)
    .await
    .map_err(|error| unknown_tier(error, tier, "set a customer's tier"))?;
    row.map(Customer::try_from).transpose()
}

fn unknown_tier(error: sqlx::Error, tier: &TierName, act: &'static str) -> StoreError {
    if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation) {
        StoreError::UnknownTier(tier.clone())
    } else {
        StoreError::during(act)(error)
    }
}

struct Row {
    customer_id: Uuid,
    name: String,
    tier: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Customer {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: CustomerId::from_uuid(row.customer_id),
            name: row.name.parse().map_err(StoreError::corrupt("customer name"))?,
            tier: row.tier.parse().map_err(StoreError::corrupt("tier name"))?,
            created_at: row.created_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, connect};

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_customer_gets_another_tier(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let id = fixtures::customer(&mut connection, "free").await;

        let changed = set_tier(&mut connection, id, &"pro".parse().unwrap()).await.unwrap().unwrap();

        assert_eq!(changed.tier.as_str(), "pro");
        assert_eq!(find(&mut connection, id).await.unwrap(), Some(changed));
        assert_eq!(set_tier(&mut connection, CustomerId::new(), &"pro".parse().unwrap()).await.unwrap(), None);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_tier_that_is_not_there_is_named(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let id = fixtures::customer(&mut connection, "free").await;

        let error = set_tier(&mut connection, id, &"gold".parse().unwrap()).await.unwrap_err();

        assert!(matches!(&error, StoreError::UnknownTier(tier) if tier.as_str() == "gold"), "{error}");
        assert_eq!(find(&mut connection, id).await.unwrap().unwrap().tier.as_str(), "free");
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn pages_join_without_gap_or_overlap(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let mut made = Vec::new();
        for _ in 0..5 {
            made.push(fixtures::customer(&mut connection, "free").await);
        }
        made.reverse();

        let first = list(&mut connection, None, 3).await.unwrap();
        let second = list(&mut connection, first.last().map(|customer| customer.id), 3).await.unwrap();

        let seen: Vec<_> = first.iter().chain(&second).map(|customer| customer.id).collect();
        assert_eq!(seen, made, "newest first");
    }
}
