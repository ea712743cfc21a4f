//! API keys. A key itself is never kept, only its SHA-256: it has 256 random bits, which nobody guesses back.

use chrono::{DateTime, Utc};
use domain::{ApiKeyId, ApiKeyName, CustomerId, Digest, TierName};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// A key that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is called.
    pub name: ApiKeyName,
    /// Whether definitions are held against what was read first through it ([`crate::pins`]).
    pub pins_definitions: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What is to change of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiKeyChange {
    /// Which.
    pub id: ApiKeyId,
    /// As of [`ApiKey`].
    pub pins_definitions: bool,
}

/// Whose a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyOwner {
    /// The key.
    pub api_key: ApiKeyId,
    /// Its customer.
    pub customer: CustomerId,
    /// What that customer pays for.
    pub tier: TierName,
    /// As of [`ApiKey`].
    pub pins_definitions: bool,
}

/// Keeps a new key by its digest; `false` if there is no such customer.
pub async fn insert(
    connection: &mut PgConnection,
    customer: CustomerId,
    api_key: &ApiKey,
    sha256: &Digest,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO api_keys (api_key_id, customer_id, name, sha256, pins_definitions, created_at)
        SELECT $2, customer_id, $3, $4, $6, $5 FROM customers WHERE customer_id = $1",
        customer.as_uuid(),
        api_key.id.as_uuid(),
        api_key.name.as_str(),
        sha256.as_bytes().as_slice(),
        api_key.created_at,
        api_key.pins_definitions
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert an API key"))?;
    Ok(done.rows_affected() == 1)
}

/// Whose the key with this digest is; `None` if there is none, or it was revoked.
pub async fn find_by_sha256(connection: &mut PgConnection, sha256: &Digest) -> Result<Option<ApiKeyOwner>, StoreError> {
    let row = sqlx::query!(
        "SELECT api_key_id, customer_id, tier, pins_definitions FROM api_keys JOIN customers USING (customer_id)
        WHERE sha256 = $1 AND revoked_at IS NULL",
        sha256.as_bytes().as_slice()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find an API key"))?;
    row.map(|row| {
        Ok(ApiKeyOwner {
            api_key: ApiKeyId::from_uuid(row.api_key_id),
            customer: CustomerId::from_uuid(row.customer_id),
            tier: row.tier.parse().map_err(StoreError::corrupt("tier name"))?,
            pins_definitions: row.pins_definitions,
        })
    })
    .transpose()
}

/// One key of a customer, unless it was revoked.
pub async fn find(connection: &mut PgConnection, customer: CustomerId, api_key: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT api_key_id, name, pins_definitions, created_at FROM api_keys
        WHERE customer_id = $1 AND api_key_id = $2 AND revoked_at IS NULL",
        customer.as_uuid(),
        api_key.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find an API key"))?;
    row.map(ApiKey::try_from).transpose()
}

/// A customer's keys but the revoked ones, newest first.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    after: Option<ApiKeyId>,
    limit: i64,
) -> Result<Vec<ApiKey>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT api_key_id, name, pins_definitions, created_at FROM api_keys
        WHERE customer_id = $1 AND revoked_at IS NULL
            AND api_key_id < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        ORDER BY api_key_id DESC LIMIT $3",
        customer.as_uuid(),
        after.map(ApiKeyId::as_uuid),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list API keys"))?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// Revokes a key for good; `false` if the customer has no such key in use.
pub async fn revoke(
    connection: &mut PgConnection,
    customer: CustomerId,
    api_key: ApiKeyId,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE api_keys SET revoked_at = $3 WHERE customer_id = $1 AND api_key_id = $2 AND revoked_at IS NULL",
        customer.as_uuid(),
        api_key.as_uuid(),
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("revoke an API key"))?;
    Ok(done.rows_affected() == 1)
}

/// Changes a key; it as it is then, or `None` if the customer has no such key in use.
pub async fn update(
    connection: &mut PgConnection,
    customer: CustomerId,
    change: &ApiKeyChange,
) -> Result<Option<ApiKey>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "UPDATE api_keys SET pins_definitions = $3 WHERE customer_id = $1 AND api_key_id = $2 AND revoked_at IS NULL
        RETURNING api_key_id, name, pins_definitions, created_at",
        customer.as_uuid(),
        change.id.as_uuid(),
        change.pins_definitions
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("change an API key"))?;
    row.map(ApiKey::try_from).transpose()
}

struct Row {
    api_key_id: Uuid,
    name: String,
    pins_definitions: bool,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for ApiKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: ApiKeyId::from_uuid(row.api_key_id),
            name: row.name.parse().map_err(StoreError::corrupt("API key name"))?,
            pins_definitions: row.pins_definitions,
            created_at: row.created_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, at, connect};

    fn new_key() -> ApiKey {
        ApiKey { id: ApiKeyId::new(), name: "laptop".parse().unwrap(), pins_definitions: true, created_at: at(0) }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_key_is_found_by_its_digest_until_it_is_revoked(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "pro").await;
        let key = new_key();
        let sha256 = Digest::of(b"tw_secret");
        assert!(insert(&mut connection, customer, &key, &sha256).await.unwrap());

        let owner = find_by_sha256(&mut connection, &sha256).await.unwrap().unwrap();
        assert_eq!(owner, ApiKeyOwner { api_key: key.id, customer, tier: "pro".parse().unwrap(), pins_definitions: true });
        assert_eq!(list(&mut connection, customer, None, 10).await.unwrap(), std::slice::from_ref(&key));

        assert!(revoke(&mut connection, customer, key.id, at(1)).await.unwrap());
        assert!(!revoke(&mut connection, customer, key.id, at(2)).await.unwrap());
        assert_eq!(find_by_sha256(&mut connection, &sha256).await.unwrap(), None);
        assert_eq!(find(&mut connection, customer, key.id).await.unwrap(), None);
        assert!(list(&mut connection, customer, None, 10).await.unwrap().is_empty());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn another_customer_does_not_see_the_key(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let owner = fixtures::customer(&mut connection, "free").await;
        let other = fixtures::customer(&mut connection, "free").await;
        let key = new_key();
        insert(&mut connection, owner, &key, &Digest::of(b"key")).await.unwrap();

        assert_eq!(find(&mut connection, other, key.id).await.unwrap(), None);
        assert!(list(&mut connection, other, None, 10).await.unwrap().is_empty());
        assert!(!revoke(&mut connection, other, key.id, at(1)).await.unwrap());
        assert!(find(&mut connection, owner, key.id).await.unwrap().is_some());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_key_of_nobody_is_not_kept(pool: PgPool) {
        let mut connection = connect(&pool).await;

        assert!(!insert(&mut connection, CustomerId::new(), &new_key(), &Digest::of(b"key")).await.unwrap());
    }
}
