//! Releases: the set of versions that a server serves from one moment on.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{CustomerId, ReleaseId, ServerId, ToolName, VersionId};
use sqlx::{Connection, PgConnection, types::Json};
use uuid::Uuid;

use crate::StoreError;

/// A release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// What it serves. There may be deleted tools among them: they were not when it was made.
    pub tools: BTreeMap<ToolName, VersionId>,
    /// Whether its server serves it now.
    pub is_current: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A release to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRelease {
    /// Its id.
    pub id: ReleaseId,
    /// What it is to serve.
    pub tools: BTreeMap<ToolName, VersionId>,
    /// When it is made.
    pub created_at: DateTime<Utc>,
}

/// Makes a release and lets its server serve it, in one transaction; `false` if the customer has no such server. Fails with
/// [`StoreError::UnknownVersion`] if a version is not one of that tool of that server, or the tool was deleted.
pub async fn insert(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    release: &NewRelease,
) -> Result<bool, StoreError> {
    let during = || StoreError::during("insert a release");
    let names: Vec<String> = release.tools.keys().map(ToString::to_string).collect();
    let versions: Vec<Uuid> = release.tools.values().map(|version| version.as_uuid()).collect();
    let mut transaction = connection.begin().await.map_err(during())?;
    let inserted = sqlx::query!(
        "INSERT INTO releases (release_id, server_id, created_at)
        SELECT $3, server_id, $4 FROM servers WHERE customer_id = $1 AND server_id = $2 FOR NO KEY UPDATE",
        customer.as_uuid(),
        server.as_uuid(),
        release.id.as_uuid(),
        release.created_at
    )
    .execute(&mut *transaction)
    .await
    .map_err(during())?;
    if inserted.rows_affected() == 0 {
        return Ok(false);
    }
    let matched = sqlx::query_scalar!(
        "WITH matched AS (
            SELECT server_id, tool_id, versions.version_id, tools.name
            FROM unnest($3::text[], $4::uuid[]) AS wanted (name, version_id)
                JOIN tools ON tools.name = wanted.name
                JOIN versions USING (tool_id)
            WHERE server_id = $1 AND removed_at IS NULL AND versions.version_id = wanted.version_id
        ), inserted AS (
            INSERT INTO release_tools (release_id, server_id, tool_id, version_id)
            SELECT $2, server_id, tool_id, version_id FROM matched
        )
        SELECT name FROM matched",
        server.as_uuid(),
        release.id.as_uuid(),
        &names,
        &versions
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(during())?;
    let matched: HashSet<&str> = matched.iter().map(String::as_str).collect();
    if let Some((tool, version)) = release.tools.iter().find(|(tool, _)| !matched.contains(tool.as_str())) {
        return Err(StoreError::UnknownVersion { tool: tool.clone(), version: *version });
    }
    sqlx::query!("UPDATE servers SET current_release_id = $2 WHERE server_id = $1", server.as_uuid(), release.id.as_uuid())
        .execute(&mut *transaction)
        .await
        .map_err(during())?;
    transaction.commit().await.map_err(during())?;
    Ok(true)
}

/// The releases of a customer's server, newest first.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    after: Option<ReleaseId>,
    limit: i64,
) -> Result<Vec<Release>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT release_id, releases.created_at,
            release_id IS NOT DISTINCT FROM current_release_id AS "is_current!",
            (SELECT coalesce(json_object_agg(tools.name, version_id), '{}')
                FROM release_tools JOIN tools USING (tool_id)
                WHERE release_tools.release_id = releases.release_id) AS "tools!: Json<BTreeMap<ToolName, VersionId>>"
        FROM releases JOIN servers USING (server_id)
        WHERE customer_id = $1 AND server_id = $2
            AND release_id < coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        ORDER BY release_id DESC LIMIT $4"#,
        customer.as_uuid(),
        server.as_uuid(),
        after.map(ReleaseId::as_uuid),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list releases"))?;
    Ok(rows.into_iter().map(Release::from).collect())
}

/// One release of a customer's server.
pub async fn find(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    release: ReleaseId,
) -> Result<Option<Release>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT release_id, releases.created_at,
            release_id IS NOT DISTINCT FROM current_release_id AS "is_current!",
            (SELECT coalesce(json_object_agg(tools.name, version_id), '{}')
                FROM release_tools JOIN tools USING (tool_id)
                WHERE release_tools.release_id = releases.release_id) AS "tools!: Json<BTreeMap<ToolName, VersionId>>"
        FROM releases JOIN servers USING (server_id)
        WHERE customer_id = $1 AND server_id = $2 AND release_id = $3"#,
        customer.as_uuid(),
        server.as_uuid(),
        release.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a release"))?;
    Ok(row.map(Release::from))
}

/// Lets a server serve another of its releases, earlier or later; `false` if the customer has no such server or that no such
/// release.
pub async fn set_current(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    release: ReleaseId,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE servers SET current_release_id = release_id FROM releases
        WHERE releases.server_id = servers.server_id AND customer_id = $1 AND servers.server_id = $2 AND release_id = $3",
        customer.as_uuid(),
        server.as_uuid(),
        release.as_uuid()
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("set a server's current release"))?;
    Ok(done.rows_affected() == 1)
}

struct Row {
    release_id: Uuid,
    created_at: DateTime<Utc>,
    is_current: bool,
    tools: Json<BTreeMap<ToolName, VersionId>>,
}

impl From<Row> for Release {
    fn from(row: Row) -> Self {
        Self {
            id: ReleaseId::from_uuid(row.release_id),
            tools: row.tools.0,
            is_current: row.is_current,
            created_at: row.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, at, connect};

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_release_is_served_until_another_is_and_again_after_a_roll_back(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let tool = fixtures::tool(&mut connection, customer, server, "forecast").await;
        let versions = [
            fixtures::version(&mut connection, customer, tool, "forecast", "1").await,
            fixtures::version(&mut connection, customer, tool, "forecast", "2").await,
        ];
        let first = fixtures::release(&mut connection, customer, server, &[("forecast", versions[0])]).await;
        let second = fixtures::release(&mut connection, customer, server, &[("forecast", versions[1])]).await;
        let current = async |connection: &mut PgConnection| {
            let releases = list(connection, customer, server, None, 10).await.unwrap();
            assert_eq!(releases.iter().map(|release| release.id).collect::<Vec<_>>(), [second, first]);
            releases.into_iter().filter(|release| release.is_current).map(|release| release.id).collect::<Vec<_>>()
        };
        assert_eq!(current(&mut connection).await, [second]);

        assert!(set_current(&mut connection, customer, server, first).await.unwrap());

        assert_eq!(current(&mut connection).await, [first]);
        let found = find(&mut connection, customer, server, first).await.unwrap().unwrap();
        assert_eq!(found.tools, BTreeMap::from([("forecast".parse().unwrap(), versions[0])]));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_version_of_another_tool_server_or_customer_is_refused(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let other_server = fixtures::server(&mut connection, customer, "climate").await;
        let tool = fixtures::tool(&mut connection, customer, server, "forecast").await;
        fixtures::tool(&mut connection, customer, server, "history").await;
        fixtures::tool(&mut connection, customer, other_server, "forecast").await;
        let version = fixtures::version(&mut connection, customer, tool, "forecast", "1").await;

        let wrong: [(ServerId, &[&str]); 3] =
            [(server, &["forecast", "history"]), (other_server, &["forecast"]), (server, &["forecast", "unheard_of"])];
        for (server, names) in wrong {
            let tools = names.iter().map(|name| (name.parse().unwrap(), version)).collect();
            let release = NewRelease { id: ReleaseId::new(), tools, created_at: at(0) };
            let error = insert(&mut connection, customer, server, &release).await.unwrap_err();
            assert!(matches!(error, StoreError::UnknownVersion { .. }), "{names:?}: {error}");
            assert_eq!(find(&mut connection, customer, server, release.id).await.unwrap(), None, "it left nothing behind");
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_deleted_tool_stays_in_earlier_releases_and_in_no_later(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let tool = fixtures::tool(&mut connection, customer, server, "forecast").await;
        let version = fixtures::version(&mut connection, customer, tool, "forecast", "1").await;
        let name: ToolName = "forecast".parse().unwrap();
        let earlier = fixtures::release(&mut connection, customer, server, &[("forecast", version)]).await;
        crate::tools::remove(&mut connection, customer, server, &name, at(1)).await.unwrap();

        let later = NewRelease { id: ReleaseId::new(), tools: BTreeMap::from([(name, version)]), created_at: at(2) };
        let refused = insert(&mut connection, customer, server, &later).await;

        assert!(matches!(refused, Err(StoreError::UnknownVersion { .. })), "{refused:?}");
        assert_eq!(find(&mut connection, customer, server, earlier).await.unwrap().unwrap().tools.len(), 1);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn another_customer_does_not_see_the_release(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let owner = fixtures::customer(&mut connection, "free").await;
        let other = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, owner, "weather").await;
        let release = fixtures::release(&mut connection, owner, server, &[]).await;
        let new = NewRelease { id: ReleaseId::new(), tools: BTreeMap::new(), created_at: at(0) };

        assert!(!insert(&mut connection, other, server, &new).await.unwrap());
        assert!(list(&mut connection, other, server, None, 10).await.unwrap().is_empty());
        assert_eq!(find(&mut connection, other, server, release).await.unwrap(), None);
        assert!(!set_current(&mut connection, other, server, release).await.unwrap());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_server_does_not_serve_the_release_of_another(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let other_server = fixtures::server(&mut connection, customer, "climate").await;
        let release = fixtures::release(&mut connection, customer, server, &[]).await;

        assert!(!set_current(&mut connection, customer, other_server, release).await.unwrap());
    }
}
