//! Tools of a server, over all their versions.

use chrono::{DateTime, Utc};
use domain::{CustomerId, LimitExceeded, LimitName, ServerId, ToolId, ToolName, VersionId};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{StoreError, number};

/// A tool that was not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its id.
    pub id: ToolId,
    /// Its name, unique on its server.
    pub name: ToolName,
    /// When it was first made.
    pub created_at: DateTime<Utc>,
    /// The version made last.
    pub newest_version: Option<VersionId>,
    /// The version in the server's current release.
    pub served_version: Option<VersionId>,
}

/// Makes a tool, or finds it, or brings back a deleted one with its id; `None` if the customer has no such server. Fails with
/// [`StoreError::Limit`] if the customer's tier allows no more tools on a server.
pub async fn upsert(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    name: &ToolName,
    at: DateTime<Utc>,
) -> Result<Option<ToolId>, StoreError> {
    let during = || StoreError::during("write a tool");
    let mut transaction = connection.begin().await.map_err(during())?;
    // The lock on the server lets one tool through at a time, so that the count is true.
    let bound = sqlx::query!(
        "SELECT tiers.name, tools_per_server_max
        FROM servers JOIN customers USING (customer_id) JOIN tiers ON tiers.name = tier
        WHERE customer_id = $1 AND server_id = $2 FOR NO KEY UPDATE OF servers",
        customer.as_uuid(),
        server.as_uuid()
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(during())?;
    let Some(bound) = bound else { return Ok(None) };
    let others = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM tools WHERE server_id = $1 AND name <> $2 AND removed_at IS NULL"#,
        server.as_uuid(),
        name.as_str()
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(during())?;
    if others >= bound.tools_per_server_max {
        return Err(StoreError::Limit(LimitExceeded {
            limit: LimitName::ToolsPerServerMax,
            value: number::read("tools_per_server_max", bound.tools_per_server_max)?,
            tier: bound.name.parse().map_err(StoreError::corrupt("tier name"))?,
        }));
    }
    let tool_id = sqlx::query_scalar!(
        "INSERT INTO tools (tool_id, server_id, name, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (server_id, name) DO UPDATE SET removed_at = NULL
        RETURNING tool_id",
        ToolId::new().as_uuid(),
        server.as_uuid(),
        name.as_str(),
        at
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(during())?;
    transaction.commit().await.map_err(during())?;
    Ok(Some(ToolId::from_uuid(tool_id)))
}

/// The tools of a customer's server, by name.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    after: Option<&ToolName>,
    limit: i64,
) -> Result<Vec<Tool>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT tool_id, tools.name, tools.created_at,
            (SELECT version_id FROM versions WHERE versions.tool_id = tools.tool_id ORDER BY version_id DESC LIMIT 1)
                AS "newest_version_id?",
            (SELECT version_id FROM release_tools
                WHERE release_id = current_release_id AND release_tools.tool_id = tools.tool_id) AS "served_version_id?"
        FROM tools JOIN servers USING (server_id)
        WHERE customer_id = $1 AND server_id = $2 AND removed_at IS NULL AND tools.name > $3
        ORDER BY tools.name LIMIT $4"#,
        customer.as_uuid(),
        server.as_uuid(),
        after.map_or("", ToolName::as_str),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list tools"))?;
    rows.into_iter().map(Tool::try_from).collect()
}

/// The tool of this name of a customer's server.
pub async fn find(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    name: &ToolName,
) -> Result<Option<Tool>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT tool_id, tools.name, tools.created_at,
            (SELECT version_id FROM versions WHERE versions.tool_id = tools.tool_id ORDER BY version_id DESC LIMIT 1)
                AS "newest_version_id?",
            (SELECT version_id FROM release_tools
                WHERE release_id = current_release_id AND release_tools.tool_id = tools.tool_id) AS "served_version_id?"
        FROM tools JOIN servers USING (server_id)
        WHERE customer_id = $1 AND server_id = $2 AND removed_at IS NULL AND tools.name = $3"#,
        customer.as_uuid(),
        server.as_uuid(),
        name.as_str()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a tool"))?;
    row.map(Tool::try_from).transpose()
}

/// Deletes a tool: releases that have it keep it, the next one made of the newest versions does not. `false` if the customer's
/// server has no such tool.
pub async fn remove(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
    name: &ToolName,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE tools SET removed_at = $4 FROM servers
        WHERE servers.server_id = tools.server_id AND customer_id = $1 AND tools.server_id = $2 AND name = $3
            AND removed_at IS NULL",
        customer.as_uuid(),
        server.as_uuid(),
        name.as_str(),
        at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete a tool"))?;
    Ok(done.rows_affected() == 1)
}

struct Row {
    tool_id: Uuid,
    name: String,
    created_at: DateTime<Utc>,
    newest_version_id: Option<Uuid>,
    served_version_id: Option<Uuid>,
}

impl TryFrom<Row> for Tool {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: ToolId::from_uuid(row.tool_id),
            name: row.name.parse().map_err(StoreError::corrupt("tool name"))?,
            created_at: row.created_at,
            newest_version: row.newest_version_id.map(VersionId::from_uuid),
            served_version: row.served_version_id.map(VersionId::from_uuid),
        })
    }
}
