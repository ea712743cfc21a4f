//! Servers: what `/mcp/<server>` serves.

use chrono::{DateTime, Utc};
use domain::{CustomerId, LimitExceeded, LimitName, ReleaseId, ServerId, ServerTitle, Slug};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{StoreError, number};

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Its public name.
    pub slug: Slug,
    /// What it is called.
    pub title: ServerTitle,
    /// What it is for, 4000 characters at most.
    pub description: String,
    /// The release that it serves; nothing before the first.
    pub current_release: Option<ReleaseId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A server to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServer {
    /// Its id.
    pub id: ServerId,
    /// Its public name.
    pub slug: Slug,
    /// What it is called.
    pub title: ServerTitle,
    /// What it is for, 4000 characters at most, without U+0000.
    pub description: String,
    /// When it is made.
    pub created_at: DateTime<Utc>,
}

/// Makes a server; `false` if there is no such customer. Fails with [`StoreError::Limit`] if the customer's tier allows no
/// more of them, also against another server that is made at the same time, and with [`StoreError::SlugTaken`].
pub async fn insert(connection: &mut PgConnection, customer: CustomerId, server: &NewServer) -> Result<bool, StoreError> {
    let during = || StoreError::during("insert a server");
    let mut transaction = connection.begin().await.map_err(during())?;
    // The lock on the customer lets one server through at a time, so that the count is true.
    let bound = sqlx::query!(
        "SELECT tiers.name, servers_max FROM customers JOIN tiers ON tiers.name = tier
        WHERE customer_id = $1 FOR NO KEY UPDATE OF customers",
        customer.as_uuid()
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(during())?;
    let Some(bound) = bound else { return Ok(false) };
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM servers WHERE customer_id = $1"#, customer.as_uuid())
        .fetch_one(&mut *transaction)
        .await
        .map_err(during())?;
    if count >= bound.servers_max {
        return Err(StoreError::Limit(LimitExceeded {
            limit: LimitName::ServersMax,
            value: number::read("servers_max", bound.servers_max)?,
            tier: bound.name.parse().map_err(StoreError::corrupt("tier name"))?,
        }));
    }
    let given_out = sqlx::query!(
        "INSERT INTO slugs (slug, given_out_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        server.slug.as_str(),
        server.created_at
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    if given_out.rows_affected() == 0 {
        return Err(StoreError::SlugTaken(server.slug.clone()));
    }
    sqlx::query!(
        "INSERT INTO servers (server_id, customer_id, slug, title, description, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        server.id.as_uuid(),
        customer.as_uuid(),
        server.slug.as_str(),
        server.title.as_str(),
        server.description,
        server.created_at
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    transaction.commit().await.map_err(during())?;
    Ok(true)
}

/// A customer's servers, newest first.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    after: Option<ServerId>,
    limit: i64,
) -> Result<Vec<Server>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT server_id, customer_id, slug, title, description, current_release_id, created_at FROM servers
        WHERE customer_id = $1 AND server_id < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        ORDER BY server_id DESC LIMIT $3",
        customer.as_uuid(),
        after.map(ServerId::as_uuid),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list servers"))?;
    rows.into_iter().map(Server::try_from).collect()
}

/// A customer's server of this name.
pub async fn find_by_slug(
    connection: &mut PgConnection,
    customer: CustomerId,
    slug: &Slug,
) -> Result<Option<Server>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT server_id, customer_id, slug, title, description, current_release_id, created_at FROM servers
        WHERE customer_id = $1 AND slug = $2",
        customer.as_uuid(),
        slug.as_str()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a server"))?;
    row.map(Server::try_from).transpose()
}

/// Deletes a customer's server with its tools, versions, releases and environment; `false` if there is none. The records of
/// its calls stay, and its slug stays taken.
pub async fn delete(connection: &mut PgConnection, customer: CustomerId, slug: &Slug) -> Result<bool, StoreError> {
    let done = sqlx::query!("DELETE FROM servers WHERE customer_id = $1 AND slug = $2", customer.as_uuid(), slug.as_str())
        .execute(connection)
        .await
        .map_err(StoreError::during("delete a server"))?;
    Ok(done.rows_affected() == 1)
}

struct Row {
    server_id: Uuid,
    customer_id: Uuid,
    slug: String,
    title: String,
    description: String,
    current_release_id: Option<Uuid>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Server {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: ServerId::from_uuid(row.server_id),
            customer: CustomerId::from_uuid(row.customer_id),
            slug: row.slug.parse().map_err(StoreError::corrupt("server slug"))?,
            title: row.title.parse().map_err(StoreError::corrupt("server title"))?,
            description: row.description,
            current_release: row.current_release_id.map(ReleaseId::from_uuid),
            created_at: row.created_at,
        })
    }
}
