//! Data keys: what secrets are sealed with, themselves sealed under a master key that the database never sees.

use chrono::{DateTime, Utc};
use domain::CustomerId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// A data key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedDataKey {
    /// Its id, of version 7: a younger key sorts after an older one.
    pub id: Uuid,
    /// Whose secrets it seals; without a customer, it is the platform's own, by which it signs.
    pub customer: Option<CustomerId>,
    /// Which master key opens it: 16 hexadecimal digits.
    pub master: String,
    /// The key, sealed: 72 bytes.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Keeps a data key; `false` if it is the platform's and there is one.
pub async fn insert(connection: &mut PgConnection, key: &SealedDataKey) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO data_keys (data_key_id, customer_id, master_key_id, sealed, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT ((customer_id IS NULL)) WHERE customer_id IS NULL DO NOTHING",
        key.id,
        key.customer.map(CustomerId::as_uuid),
        key.master,
        key.sealed,
        key.created_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert a data key"))?;
    Ok(done.rows_affected() == 1)
}

/// The customer's youngest data key, which seals what it puts now.
pub async fn find_newest(connection: &mut PgConnection, customer: CustomerId) -> Result<Option<SealedDataKey>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT data_key_id, customer_id, master_key_id, sealed, created_at FROM data_keys
        WHERE customer_id = $1 ORDER BY data_key_id DESC LIMIT 1",
        customer.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a data key"))?;
    Ok(row.map(SealedDataKey::from))
}

/// The platform's own.
pub async fn find_of_platform(connection: &mut PgConnection) -> Result<Option<SealedDataKey>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT data_key_id, customer_id, master_key_id, sealed, created_at FROM data_keys WHERE customer_id IS NULL"
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find the platform's data key"))?;
    Ok(row.map(SealedDataKey::from))
}

/// All data keys of a customer, oldest first: one, and two while they are rotated.
pub async fn list(connection: &mut PgConnection, customer: CustomerId) -> Result<Vec<SealedDataKey>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT data_key_id, customer_id, master_key_id, sealed, created_at FROM data_keys
        WHERE customer_id = $1 ORDER BY data_key_id",
        customer.as_uuid()
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list a customer's data keys"))?;
    Ok(rows.into_iter().map(SealedDataKey::from).collect())
}

/// The ids of the master keys that the data keys are sealed under, in their order.
pub async fn list_masters(connection: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar!("SELECT DISTINCT master_key_id FROM data_keys ORDER BY master_key_id")
        .fetch_all(connection)
        .await
        .map_err(StoreError::during("list the master keys of the data keys"))
}

/// Up to `limit` data keys that another master key than `master` seals.
pub async fn list_under_others(
    connection: &mut PgConnection,
    master: &str,
    limit: i64,
) -> Result<Vec<SealedDataKey>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT data_key_id, customer_id, master_key_id, sealed, created_at FROM data_keys
        WHERE master_key_id <> $1 ORDER BY data_key_id LIMIT $2",
        master,
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list data keys under other master keys"))?;
    Ok(rows.into_iter().map(SealedDataKey::from).collect())
}

/// Replaces how a data key is sealed; `false` if it is gone, or is no longer sealed under `before`.
pub async fn reseal(connection: &mut PgConnection, before: &str, key: &SealedDataKey) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE data_keys SET master_key_id = $3, sealed = $4 WHERE data_key_id = $1 AND master_key_id = $2",
        key.id,
        before,
        key.master,
        key.sealed
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("seal a data key anew"))?;
    Ok(done.rows_affected() == 1)
}

/// Up to `limit` customers whose youngest data key was made before `made_before`, after `after`, in the order of their ids.
pub async fn list_customers_with_older(
    connection: &mut PgConnection,
    made_before: DateTime<Utc>,
    after: Option<CustomerId>,
    limit: i64,
) -> Result<Vec<CustomerId>, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"SELECT customer_id AS "customer_id!" FROM data_keys
        WHERE customer_id > coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid)
        GROUP BY customer_id HAVING max(created_at) < $1 ORDER BY customer_id LIMIT $3"#,
        made_before,
        after.map(CustomerId::as_uuid),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list customers with old data keys"))?;
    Ok(rows.into_iter().map(CustomerId::from_uuid).collect())
}

/// Keeps others from making or deleting data keys of this customer until the transaction ends; `false` if there is no such customer.
pub async fn lock(connection: &mut PgConnection, customer: CustomerId) -> Result<bool, StoreError> {
    let locked =
        sqlx::query_scalar!("SELECT customer_id FROM customers WHERE customer_id = $1 FOR NO KEY UPDATE", customer.as_uuid())
            .fetch_optional(connection)
            .await
            .map_err(StoreError::during("lock a customer's data keys"))?;
    Ok(locked.is_some())
}

/// Deletes the customer's data keys that seal nothing, but for `kept`, and gives their number.
pub async fn delete_unused(connection: &mut PgConnection, customer: CustomerId, kept: Uuid) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM data_keys WHERE customer_id = $1 AND data_key_id <> $2
            AND NOT EXISTS (SELECT FROM secrets WHERE secrets.data_key_id = data_keys.data_key_id)",
        customer.as_uuid(),
        kept
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete unused data keys"))?;
    Ok(done.rows_affected())
}

struct Row {
    data_key_id: Uuid,
    customer_id: Option<Uuid>,
    master_key_id: String,
    sealed: Vec<u8>,
    created_at: DateTime<Utc>,
}

impl From<Row> for SealedDataKey {
    fn from(row: Row) -> Self {
        Self {
            id: row.data_key_id,
            customer: row.customer_id.map(CustomerId::from_uuid),
            master: row.master_key_id,
            sealed: row.sealed,
            created_at: row.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, at, connect, data_key};

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_platform_has_one_data_key(pool: PgPool) {
        let mut connection = connect(&pool).await;

        assert_eq!(find_of_platform(&mut connection).await.unwrap(), None);
        let first = data_key(None, 0);
        assert!(insert(&mut connection, &first).await.unwrap());
        assert!(!insert(&mut connection, &data_key(None, 1)).await.unwrap());
        assert_eq!(find_of_platform(&mut connection).await.unwrap(), Some(first));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_key_is_sealed_anew_once(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let key = data_key(Some(customer), 0);
        insert(&mut connection, &key).await.unwrap();
        let resealed = SealedDataKey { master: "fedcba9876543210".to_owned(), sealed: vec![2; 72], ..key.clone() };

        assert_eq!(list_under_others(&mut connection, &resealed.master, 10).await.unwrap(), std::slice::from_ref(&key));
        assert!(reseal(&mut connection, &key.master, &resealed).await.unwrap());
        assert!(!reseal(&mut connection, &key.master, &resealed).await.unwrap());

        assert_eq!(find_newest(&mut connection, customer).await.unwrap(), Some(resealed.clone()));
        assert!(list_under_others(&mut connection, &resealed.master, 10).await.unwrap().is_empty());
        assert_eq!(list_masters(&mut connection).await.unwrap(), [resealed.master]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_youngest_key_says_whether_a_customer_waits_for_rotation(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let done = fixtures::customer(&mut connection, "free").await;
        let waits = fixtures::customer(&mut connection, "free").await;
        for key in [data_key(Some(done), 0), data_key(Some(done), 100), data_key(Some(waits), 0), data_key(None, 0)] {
            insert(&mut connection, &key).await.unwrap();
        }

        let listed = list_customers_with_older(&mut connection, at(50), None, 10).await.unwrap();
        let after = list_customers_with_older(&mut connection, at(50), Some(waits), 10).await.unwrap();

        assert_eq!((listed, after), (vec![waits], vec![]));
        let newest = find_newest(&mut connection, done).await.unwrap().unwrap();
        assert_eq!(delete_unused(&mut connection, done, newest.id).await.unwrap(), 1);
        assert_eq!(list(&mut connection, done).await.unwrap(), [newest]);
    }
}
