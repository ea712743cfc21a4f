//! Servers: what `/mcp/<server>` serves.

use chrono::{DateTime, Utc};
use domain::{AccessPolicy, CustomerId, KeepContents, LimitExceeded, LimitName, ReleaseId, ServerId, ServerTitle, Slug};
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
    /// Of which calls the contents are kept.
    pub keep_contents: KeepContents,
    /// Who may use it.
    pub access: AccessPolicy,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What is to change of a server; what is absent stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerChange {
    /// Of which calls the contents are kept; what was kept stays.
    pub keep_contents: Option<KeepContents>,
    /// Who may use it.
    pub access: Option<AccessPolicy>,
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
    /// Who may use it.
    pub access: AccessPolicy,
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
        "INSERT INTO servers (server_id, customer_id, slug, title, description, created_at, access)
        VALUES ($1, $2, $3, $4, $5, $6, $7)",
        server.id.as_uuid(),
        customer.as_uuid(),
        server.slug.as_str(),
        server.title.as_str(),
        server.description,
        server.created_at,
        server.access.as_str()
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
        "SELECT server_id, customer_id, slug, title, description, current_release_id, keep_contents, access, created_at
        FROM servers
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
        "SELECT server_id, customer_id, slug, title, description, current_release_id, keep_contents, access, created_at
        FROM servers
        WHERE customer_id = $1 AND slug = $2",
        customer.as_uuid(),
        slug.as_str()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a server"))?;
    row.map(Server::try_from).transpose()
}

/// Whose server this is; `None` if there is none.
pub async fn find_customer(connection: &mut PgConnection, server: ServerId) -> Result<Option<CustomerId>, StoreError> {
    let found = sqlx::query_scalar!("SELECT customer_id FROM servers WHERE server_id = $1", server.as_uuid())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::during("find the customer of a server"))?;
    Ok(found.map(CustomerId::from_uuid))
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

/// Changes a customer's server; `false` if there is none.
pub async fn update(
    connection: &mut PgConnection,
    customer: CustomerId,
    slug: &Slug,
    change: ServerChange,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE servers SET keep_contents = coalesce($3, keep_contents), access = coalesce($4, access)
        WHERE customer_id = $1 AND slug = $2",
        customer.as_uuid(),
        slug.as_str(),
        change.keep_contents.map(KeepContents::as_str),
        change.access.map(AccessPolicy::as_str)
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("change a server"))?;
    Ok(done.rows_affected() == 1)
}

pub(crate) fn read_access(word: &str) -> Result<AccessPolicy, StoreError> {
    AccessPolicy::find(word).ok_or_else(|| StoreError::Corrupt { what: "access policy", source: word.into() })
}

pub(crate) fn read_keep_contents(word: &str) -> Result<KeepContents, StoreError> {
    KeepContents::find(word).ok_or_else(|| StoreError::Corrupt { what: "setting", source: word.into() })
}

struct Row {
    server_id: Uuid,
    customer_id: Uuid,
    slug: String,
    title: String,
    description: String,
    current_release_id: Option<Uuid>,
    keep_contents: String,
    access: String,
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
            keep_contents: read_keep_contents(&row.keep_contents)?,
            access: read_access(&row.access)?,
            created_at: row.created_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, connect, new_server};

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_server_reads_back_as_it_was_made(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = new_server("weather");
        assert!(insert(&mut connection, customer, &server).await.unwrap());

        let found = find_by_slug(&mut connection, customer, &server.slug).await.unwrap().unwrap();

        assert_eq!((found.id, &found.title, &found.description), (server.id, &server.title, &server.description));
        assert_eq!(found.current_release, None);
        assert_eq!(list(&mut connection, customer, None, 10).await.unwrap(), [found]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn another_customer_does_not_see_the_server(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let owner = fixtures::customer(&mut connection, "free").await;
        let other = fixtures::customer(&mut connection, "free").await;
        fixtures::server(&mut connection, owner, "weather").await;
        let slug = "weather".parse().unwrap();

        assert_eq!(find_by_slug(&mut connection, other, &slug).await.unwrap(), None);
        assert!(list(&mut connection, other, None, 10).await.unwrap().is_empty());
        assert!(!delete(&mut connection, other, &slug).await.unwrap());
        assert!(find_by_slug(&mut connection, owner, &slug).await.unwrap().is_some());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_slug_is_never_given_out_twice(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        fixtures::server(&mut connection, customer, "weather").await;
        assert!(delete(&mut connection, customer, &"weather".parse().unwrap()).await.unwrap());

        for asking in [customer, fixtures::customer(&mut connection, "free").await] {
            let error = insert(&mut connection, asking, &new_server("weather")).await.unwrap_err();
            assert!(matches!(&error, StoreError::SlugTaken(slug) if slug.as_str() == "weather"), "{error}");
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_limit_names_itself_and_its_tier(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        for slug in ["one", "two", "three"] {
            fixtures::server(&mut connection, customer, slug).await;
        }

        let error = insert(&mut connection, customer, &new_server("four")).await.unwrap_err();

        assert_eq!(error.to_string(), "the limit of 3 servers (servers_max) of tier `free` is reached");
        // The slug was not given out with it.
        let other = fixtures::customer(&mut connection, "free").await;
        assert!(insert(&mut connection, other, &new_server("four")).await.unwrap());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn of_two_servers_at_the_limit_one_is_made(pool: PgPool) {
        let mut connection = connect(&pool).await;
        fixtures::tier(&mut connection, "single", |tier| tier.limits.servers_max = 1).await;

        for round in 0..10 {
            let customer = fixtures::customer(&mut connection, "single").await;
            let (mut one, mut other) = (connect(&pool).await, connect(&pool).await);
            let (first, second) = (new_server(&format!("first-{round}")), new_server(&format!("second-{round}")));

            let (first, second) = tokio::join!(insert(&mut one, customer, &first), insert(&mut other, customer, &second));

            let made = [&first, &second].into_iter().filter(|made| made.is_ok()).count();
            assert_eq!(made, 1, "{first:?} {second:?}");
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn of_two_servers_with_one_slug_one_is_made(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customers = [fixtures::customer(&mut connection, "pro").await, fixtures::customer(&mut connection, "pro").await];

        for round in 0..10 {
            let (mut one, mut other) = (connect(&pool).await, connect(&pool).await);
            let (first, second) = (new_server(&format!("slug-{round}")), new_server(&format!("slug-{round}")));

            let (first, second) = tokio::join!(insert(&mut one, customers[0], &first), insert(&mut other, customers[1], &second));

            assert!(
                matches!(
                    (&first, &second),
                    (Ok(true), Err(StoreError::SlugTaken(_))) | (Err(StoreError::SlugTaken(_)), Ok(true))
                ),
                "{first:?} {second:?}"
            );
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_deleted_server_takes_along_all_but_its_records(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let tool = fixtures::tool(&mut connection, customer, server, "forecast").await;
        let version = fixtures::version(&mut connection, customer, tool, "forecast", "1").await;
        fixtures::release(&mut connection, customer, server, &[("forecast", version)]).await;
        fixtures::environment(&mut connection, customer, server, "CITY", "Oslo").await;
        let record = fixtures::execution(customer, 0);
        crate::executions::write(&mut connection, std::slice::from_ref(&record)).await.unwrap();

        assert!(delete(&mut connection, customer, &"weather".parse().unwrap()).await.unwrap());

        let left: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM servers) + (SELECT count(*) FROM tools) + (SELECT count(*) FROM versions)
                + (SELECT count(*) FROM releases) + (SELECT count(*) FROM release_tools) + (SELECT count(*) FROM environment)",
        )
        .fetch_one(&mut *connection)
        .await
        .unwrap();
        assert_eq!(left, 0);
        assert!(crate::executions::find(&mut connection, customer, record.call).await.unwrap().is_some());
    }
}
