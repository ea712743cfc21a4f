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

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, at, connect};

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_tool_shows_its_newest_and_its_served_version(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let id = fixtures::tool(&mut connection, customer, server, "forecast").await;
        let served = fixtures::version(&mut connection, customer, id, "forecast", "1").await;
        fixtures::release(&mut connection, customer, server, &[("forecast", served)]).await;
        let newest = fixtures::version(&mut connection, customer, id, "forecast", "2").await;

        let tool = find(&mut connection, customer, server, &"forecast".parse().unwrap()).await.unwrap().unwrap();

        assert_eq!((tool.newest_version, tool.served_version), (Some(newest), Some(served)));
        assert_eq!(list(&mut connection, customer, server, None, 10).await.unwrap(), [tool]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn tools_are_listed_by_name_in_pages(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        for name in ["b", "a_", "a-", "B", "a"] {
            fixtures::tool(&mut connection, customer, server, name).await;
        }

        let first = list(&mut connection, customer, server, None, 3).await.unwrap();
        let second = list(&mut connection, customer, server, first.last().map(|tool| &tool.name), 3).await.unwrap();

        let names: Vec<_> = first.iter().chain(&second).map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["B", "a", "a-", "a_", "b"]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn another_customer_does_not_see_the_tool(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let owner = fixtures::customer(&mut connection, "free").await;
        let other = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, owner, "weather").await;
        fixtures::tool(&mut connection, owner, server, "forecast").await;
        let name = "forecast".parse().unwrap();

        assert_eq!(upsert(&mut connection, other, server, &name, at(1)).await.unwrap(), None);
        assert_eq!(find(&mut connection, other, server, &name).await.unwrap(), None);
        assert!(list(&mut connection, other, server, None, 10).await.unwrap().is_empty());
        assert!(!remove(&mut connection, other, server, &name, at(1)).await.unwrap());
        assert!(find(&mut connection, owner, server, &name).await.unwrap().is_some());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_deleted_tool_comes_back_as_the_same(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let id = fixtures::tool(&mut connection, customer, server, "forecast").await;
        let name = "forecast".parse().unwrap();

        assert!(remove(&mut connection, customer, server, &name, at(1)).await.unwrap());
        assert!(!remove(&mut connection, customer, server, &name, at(2)).await.unwrap());
        assert_eq!(find(&mut connection, customer, server, &name).await.unwrap(), None);

        assert_eq!(fixtures::tool(&mut connection, customer, server, "forecast").await, id);
        assert!(find(&mut connection, customer, server, &name).await.unwrap().is_some());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn of_two_tools_at_the_limit_one_is_made(pool: PgPool) {
        let mut connection = connect(&pool).await;
        fixtures::tier(&mut connection, "single", |tier| {
            tier.limits.tools_per_server_max = 1;
            tier.limits.servers_max = 10;
        })
        .await;
        let customer = fixtures::customer(&mut connection, "single").await;

        for round in 0..10 {
            let server = fixtures::server(&mut connection, customer, &format!("server-{round}")).await;
            let (mut one, mut other) = (connect(&pool).await, connect(&pool).await);
            let (first, second) = ("first".parse().unwrap(), "second".parse().unwrap());

            let (first, second) = tokio::join!(
                upsert(&mut one, customer, server, &first, at(0)),
                upsert(&mut other, customer, server, &second, at(0))
            );

            let refused = [&first, &second].into_iter().find_map(|made| made.as_ref().err()).unwrap();
            assert_eq!(
                refused.to_string(),
                "the limit of 1 tools on a server (tools_per_server_max) of tier `single` is reached"
            );
            assert!(first.is_ok() || second.is_ok());
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_deleted_tool_makes_room_and_a_new_version_needs_none(pool: PgPool) {
        let mut connection = connect(&pool).await;
        fixtures::tier(&mut connection, "single", |tier| tier.limits.tools_per_server_max = 1).await;
        let customer = fixtures::customer(&mut connection, "single").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        fixtures::tool(&mut connection, customer, server, "old").await;
        fixtures::tool(&mut connection, customer, server, "old").await;
        remove(&mut connection, customer, server, &"old".parse().unwrap(), at(1)).await.unwrap();

        fixtures::tool(&mut connection, customer, server, "new").await;

        let revived = upsert(&mut connection, customer, server, &"old".parse().unwrap(), at(2)).await;
        assert!(matches!(revived, Err(StoreError::Limit(_))), "{revived:?}");
    }
}
