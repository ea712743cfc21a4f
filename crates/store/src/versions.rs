//! Versions of a tool. They never change: the database refuses it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{CustomerId, Digest, Grants, Language, ServerId, ToolId, ToolInterface, ToolName, VersionId};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::StoreError;

/// A version without its source, as lists have it.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionSummary {
    /// Its id.
    pub id: VersionId,
    /// Its tool.
    pub tool: ToolId,
    /// What its source is written in.
    pub language: Language,
    /// Over source, language, grants and interface.
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
    /// The source as the customer wrote it, 16 MiB at most, without U+0000.
    pub source: String,
}

/// Keeps a version; `false` if the customer has no such tool.
pub async fn insert(connection: &mut PgConnection, customer: CustomerId, version: &Version) -> Result<bool, StoreError> {
    let Version { summary, source } = version;
    let done = sqlx::query!(
        "INSERT INTO versions (version_id, tool_id, language, source, digest, source_digest, interface, grants, created_at)
        SELECT $3, tool_id, $4, $5, $6, $7, $8, $9, $10 FROM tools JOIN servers USING (server_id)
        WHERE customer_id = $1 AND tool_id = $2",
        customer.as_uuid(),
        summary.tool.as_uuid(),
        summary.id.as_uuid(),
        summary.language.as_str(),
        source,
        summary.digest.as_bytes().as_slice(),
        summary.source_digest.as_bytes().as_slice(),
        Json(&summary.interface) as _,
        Json(&summary.grants) as _,
        summary.created_at
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert a version"))?;
    Ok(done.rows_affected() == 1)
}

/// One version of a customer's, with its source. The version of a deleted tool is found, that of a deleted server is not.
pub async fn find(
    connection: &mut PgConnection,
    customer: CustomerId,
    version: VersionId,
) -> Result<Option<Version>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT version_id, tool_id, language, source, digest, source_digest, interface AS "interface: Json<ToolInterface>",
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
        r#"SELECT version_id, tool_id, language, digest, source_digest, interface AS "interface: Json<ToolInterface>",
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

struct Row {
    version_id: Uuid,
    tool_id: Uuid,
    language: String,
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
