//! Releases: the set of versions that a server serves from one moment on.

use std::collections::BTreeMap;

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
    if let Some((tool, version)) = release.tools.iter().find(|(tool, _)| !matched.iter().any(|name| name == tool.as_str())) {
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
