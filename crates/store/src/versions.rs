//! Versions of a tool. They never change: the database refuses it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{CustomerId, Digest, Grants, Language, ServerId, ToolId, ToolInterface, ToolName, VersionId};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::StoreError;

/// Releases of a server that stay beside the one that it serves: back to each of them it can go.
pub const RELEASES_KEPT: i64 = 50;
/// Versions of a tool that stay.
pub const VERSIONS_KEPT: i64 = 50;

/// A version without its source, as lists have it.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionSummary {
    /// Its id.
    pub id: VersionId,
    /// Its tool.
    pub tool: ToolId,
    /// What its source is written in.
    pub language: Language,
    /// Which function of an uploaded component it is; none for a component that is one tool as a whole, and for what is no component.
    pub export: Option<String>,
    /// Over source, language, export, grants and interface.
    pub digest: Digest,
    /// Over source and language: half of the key of its artifact.
    pub source_digest: Digest,
    /// What it says of itself.
    pub interface: ToolInterface,
    /// What it may use.
    pub grants: Grants,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A version with its source.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// All but the source.
    pub summary: VersionSummary,
    /// The source as the customer wrote it, 16 MiB at most, without U+0000; none for a component, which is a blob.
    pub source: Option<String>,
}

/// Keeps a version; `false` if the customer has no such tool.
pub async fn insert(connection: &mut PgConnection, customer: CustomerId, version: &Version) -> Result<bool, StoreError> {
    let Version { summary, source } = version;
    let (interface, grants) = write_json(summary)?;
    let done = sqlx::query!(
        "INSERT INTO versions (
            version_id, tool_id, language, source, export, digest, source_digest, interface, grants, created_at
        )
        SELECT $3, tool_id, $4, $5, $11, $6, $7, $8::text::json, $9::text::json, $10 FROM tools JOIN servers USING (server_id)
        WHERE customer_id = $1 AND tool_id = $2",
        customer.as_uuid(),
        summary.tool.as_uuid(),
        summary.id.as_uuid(),
        summary.language.as_str(),
        source.as_deref(),
        summary.digest.as_bytes().as_slice(),
        summary.source_digest.as_bytes().as_slice(),
        interface,
        grants,
        summary.created_at,
        summary.export.as_deref()
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert a version"))?;
    Ok(done.rows_affected() == 1)
}

/// Deletes what a server has too much of, if it is older than `before`: releases beyond the newest [`RELEASES_KEPT`], and versions beyond the newest
/// [`VERSIONS_KEPT`] of their tool, or of a tool that is deleted. What is served, what a release has that stays, and what a client has pinned, stays.
/// Gives the number of versions that went.
pub async fn forget(connection: &mut PgConnection, server: ServerId, before: DateTime<Utc>) -> Result<u64, StoreError> {
    forget_beyond(connection, server, before, RELEASES_KEPT, VERSIONS_KEPT).await
}

async fn forget_beyond(
    connection: &mut PgConnection,
    server: ServerId,
    before: DateTime<Utc>,
    releases: i64,
    versions: i64,
) -> Result<u64, StoreError> {
    let gone =
        sqlx::query_scalar!(r#"SELECT forget_versions($1, $2, $3, $4) AS "gone!""#, server.as_uuid(), releases, versions, before)
            .fetch_one(connection)
            .await
            .map_err(StoreError::during("forget old versions"))?;
    Ok(gone.unsigned_abs())
}

/// One version of a customer's, with its source. The version of a deleted tool is found, that of a deleted server is not.
pub async fn find(
    connection: &mut PgConnection,
    customer: CustomerId,
    version: VersionId,
) -> Result<Option<Version>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT version_id, tool_id, language, export, source, digest, source_digest, interface AS "interface: Json<ToolInterface>",
            grants AS "grants: Json<Grants>", versions.created_at
        FROM versions JOIN tools USING (tool_id) JOIN servers USING (server_id)
        WHERE customer_id = $1 AND version_id = $2"#,
        customer.as_uuid(),
        version.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find a version"))?;
    let Some(row) = row else { return Ok(None) };
    let summary = Row {
        version_id: row.version_id,
        tool_id: row.tool_id,
        language: row.language,
        export: row.export,
        digest: row.digest,
        source_digest: row.source_digest,
        interface: row.interface,
        grants: row.grants,
        created_at: row.created_at,
    };
    Ok(Some(Version { summary: summary.try_into()?, source: row.source }))
}

/// The versions of a customer's tool, newest first.
pub async fn list(
    connection: &mut PgConnection,
    customer: CustomerId,
    tool: ToolId,
    after: Option<VersionId>,
    limit: i64,
) -> Result<Vec<VersionSummary>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT version_id, tool_id, language, export, digest, source_digest, interface AS "interface: Json<ToolInterface>",
            grants AS "grants: Json<Grants>", versions.created_at
        FROM versions JOIN tools USING (tool_id) JOIN servers USING (server_id)
        WHERE customer_id = $1 AND tool_id = $2
            AND version_id < coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
        ORDER BY version_id DESC LIMIT $4"#,
        customer.as_uuid(),
        tool.as_uuid(),
        after.map(VersionId::as_uuid),
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list versions"))?;
    rows.into_iter().map(VersionSummary::try_from).collect()
}

/// The newest version of a customer's tool.
pub async fn find_newest(
    connection: &mut PgConnection,
    customer: CustomerId,
    tool: ToolId,
) -> Result<Option<VersionSummary>, StoreError> {
    Ok(list(connection, customer, tool, None, 1).await?.pop())
}

/// The versions of a customer's with these ids, in no order; those that it does not have are left out.
pub async fn list_by_ids(
    connection: &mut PgConnection,
    customer: CustomerId,
    versions: &[VersionId],
) -> Result<Vec<VersionSummary>, StoreError> {
    let versions: Vec<Uuid> = versions.iter().map(|version| version.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT version_id, tool_id, language, export, digest, source_digest, interface AS "interface: Json<ToolInterface>",
            grants AS "grants: Json<Grants>", versions.created_at
        FROM versions JOIN tools USING (tool_id) JOIN servers USING (server_id)
        WHERE customer_id = $1 AND version_id = ANY($2)"#,
        customer.as_uuid(),
        &versions
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list versions by their ids"))?;
    rows.into_iter().map(VersionSummary::try_from).collect()
}

/// The newest version of each tool of a customer's server that was not deleted: what a release has if nobody says otherwise.
/// The tier bounds how many there are.
pub async fn list_newest_of_server(
    connection: &mut PgConnection,
    customer: CustomerId,
    server: ServerId,
) -> Result<BTreeMap<ToolName, VersionId>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT tools.name, newest.version_id AS "version_id!"
        FROM servers JOIN tools USING (server_id)
            CROSS JOIN LATERAL (
                SELECT version_id FROM versions WHERE versions.tool_id = tools.tool_id ORDER BY version_id DESC LIMIT 1
            ) AS newest
        WHERE customer_id = $1 AND server_id = $2 AND removed_at IS NULL"#,
        customer.as_uuid(),
        server.as_uuid()
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list the newest versions of a server"))?;
    rows.into_iter()
        .map(|row| {
            let name = row.name.parse().map_err(StoreError::corrupt("tool name"))?;
            Ok((name, VersionId::from_uuid(row.version_id)))
        })
        .collect()
}

/// Interface and grants as they are kept. As text, because what sqlx sends of a `Json` is jsonb, which does not keep it as it was written.
pub(crate) fn write_json(summary: &VersionSummary) -> Result<(String, String), StoreError> {
    let written = |error: serde_json::Error| StoreError::Query { act: "write a version as JSON", source: error.into() };
    let interface = serde_json::to_string(&summary.interface).map_err(written)?;
    let grants = serde_json::to_string(&summary.grants).map_err(written)?;
    Ok((interface, grants))
}

struct Row {
    version_id: Uuid,
    tool_id: Uuid,
    language: String,
    export: Option<String>,
    digest: Vec<u8>,
    source_digest: Vec<u8>,
    interface: Json<ToolInterface>,
    grants: Json<Grants>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for VersionSummary {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: VersionId::from_uuid(row.version_id),
            tool: ToolId::from_uuid(row.tool_id),
            language: read_language(&row.language)?,
            export: row.export,
            digest: row.digest.as_slice().try_into().map_err(StoreError::corrupt("digest"))?,
            source_digest: row.source_digest.as_slice().try_into().map_err(StoreError::corrupt("digest"))?,
            interface: row.interface.0,
            grants: row.grants.0,
            created_at: row.created_at,
        })
    }
}

pub(crate) fn read_language(word: &str) -> Result<Language, StoreError> {
    Language::find(word).ok_or_else(|| StoreError::Corrupt { what: "language", source: word.into() })
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, at, connect, new_version};

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_version_reads_back_as_it_was_made(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let tool = fixtures::tool(&mut connection, customer, server, "forecast").await;
        let version = new_version(tool, "forecast", "export default 'ä';\n");

        assert!(insert(&mut connection, customer, &version).await.unwrap());

        assert_eq!(find(&mut connection, customer, version.summary.id).await.unwrap().as_ref(), Some(&version));
        assert_eq!(find_newest(&mut connection, customer, tool).await.unwrap(), Some(version.summary));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn of_many_versions_and_releases_the_last_stay_and_what_somebody_needs(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let other = fixtures::server(&mut connection, customer, "other").await;
        let tool = fixtures::tool(&mut connection, customer, server, "forecast").await;
        let beside = fixtures::tool(&mut connection, customer, other, "forecast").await;
        let mut made = Vec::new();
        for number in 0..8 {
            let version = new_version(tool, "forecast", &format!("export default {number}"));
            assert!(insert(&mut connection, customer, &version).await.unwrap());
            made.push(version.summary.id);
        }
        let elsewhere = new_version(beside, "forecast", "export default 0");
        insert(&mut connection, customer, &elsewhere).await.unwrap();
        let mut released = Vec::new();
        for version in &made[..4] {
            released.push(fixtures::release(&mut connection, customer, server, &[("forecast", *version)]).await);
        }
        assert!(crate::releases::set_current(&mut connection, customer, server, released[0]).await.unwrap());

        assert_eq!(forget_beyond(&mut connection, server, at(-1_000_000), 1, 2).await.unwrap(), 0, "nothing is that old");
        let gone = forget_beyond(&mut connection, server, at(1_000_000), 1, 2).await.unwrap();
        let again = forget_beyond(&mut connection, server, at(1_000_000), 1, 2).await.unwrap();

        assert_eq!((gone, again), (4, 0));
        let mut left = Vec::new();
        for id in &made {
            left.push(find(&mut connection, customer, *id).await.unwrap().is_some());
        }
        // What is served, what the newest other release has, and the two newest.
        assert_eq!(left, [true, false, false, true, false, false, true, true]);
        let releases = crate::releases::list(&mut connection, customer, server, None, 10).await.unwrap();
        assert_eq!(releases.iter().map(|release| release.is_current).collect::<Vec<_>>(), [false, true]);
        assert!(find(&mut connection, customer, elsewhere.summary.id).await.unwrap().is_some(), "of another server nothing goes");

        crate::tools::remove(&mut connection, customer, server, &"forecast".parse().unwrap(), at(10)).await.unwrap();
        assert_eq!(
            forget_beyond(&mut connection, server, at(1_000_000), 1, 2).await.unwrap(),
            2,
            "of a deleted tool releases have some"
        );
        assert!(find(&mut connection, customer, made[0]).await.unwrap().is_some());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_component_has_an_export_and_no_source(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let tool = fixtures::tool(&mut connection, customer, server, "forecast").await;
        let of = |language, export: Option<&str>, source: Option<&str>| {
            let mut version = new_version(tool, "forecast", "1");
            version.summary.language = language;
            version.summary.export = export.map(str::to_owned);
            version.source = source.map(str::to_owned);
            version
        };

        let component = of(Language::Component, Some("weather:api/daily#forecast"), None);
        assert!(insert(&mut connection, customer, &component).await.unwrap());

        assert_eq!(find(&mut connection, customer, component.summary.id).await.unwrap(), Some(component));
        for wrong in [
            of(Language::Component, None, Some("export default 1")),
            of(Language::JavaScript, None, None),
            of(Language::JavaScript, Some("forecast"), Some("export default 1")),
        ] {
            assert!(insert(&mut connection, customer, &wrong).await.is_err(), "{wrong:?}");
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn another_customer_does_not_see_the_version(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let owner = fixtures::customer(&mut connection, "free").await;
        let other = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, owner, "weather").await;
        let tool = fixtures::tool(&mut connection, owner, server, "forecast").await;
        let version = fixtures::version(&mut connection, owner, tool, "forecast", "1").await;

        assert!(!insert(&mut connection, other, &new_version(tool, "forecast", "2")).await.unwrap());
        assert_eq!(find(&mut connection, other, version).await.unwrap(), None);
        assert_eq!(find_newest(&mut connection, other, tool).await.unwrap(), None);
        assert!(list_newest_of_server(&mut connection, other, server).await.unwrap().is_empty());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_release_is_made_of_the_newest_of_each_tool_that_is_left(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let forecast = fixtures::tool(&mut connection, customer, server, "forecast").await;
        let deleted = fixtures::tool(&mut connection, customer, server, "deleted").await;
        fixtures::tool(&mut connection, customer, server, "without_version").await;
        fixtures::version(&mut connection, customer, forecast, "forecast", "1").await;
        let newest = fixtures::version(&mut connection, customer, forecast, "forecast", "2").await;
        fixtures::version(&mut connection, customer, deleted, "deleted", "1").await;
        crate::tools::remove(&mut connection, customer, server, &"deleted".parse().unwrap(), at(1)).await.unwrap();

        let newest_of_each = list_newest_of_server(&mut connection, customer, server).await.unwrap();

        assert_eq!(newest_of_each, BTreeMap::from([("forecast".parse().unwrap(), newest)]));
    }

    /// Not even its owner can: the runtime role has no right to, and the trigger refuses everybody.
    #[sqlx::test(migrations = "../../migrations")]
    async fn a_version_does_not_change(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let tool = fixtures::tool(&mut connection, customer, server, "forecast").await;
        fixtures::version(&mut connection, customer, tool, "forecast", "1").await;
        let change = "UPDATE versions SET source = 'other'";

        let as_runtime = sqlx::query(change).execute(&mut *connection).await.unwrap_err();
        sqlx::query("RESET ROLE").execute(&mut *connection).await.unwrap();
        let as_owner = sqlx::query(change).execute(&mut *connection).await.unwrap_err();

        assert!(as_runtime.to_string().contains("permission denied"), "{as_runtime}");
        assert!(as_owner.to_string().contains("a row of versions does not change"), "{as_owner}");
    }
}
