//! What the call path needs of a server, read at once and kept in memory until a change notice.

use std::collections::BTreeMap;

use domain::{
    AccessPolicy, CustomerId, Digest, EnvName, EnvValue, Grants, KeepContents, Language, ReleaseId, ServerId, ServerTitle, Slug,
    TierName, ToolId, ToolName, VersionId,
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    StoreError,
    artifacts::{self, Artifact},
    interfaces::InterfaceText,
    servers, versions,
};

/// A server as it is served.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedServer {
    /// Its id.
    pub id: ServerId,
    /// Whose it is.
    pub customer: CustomerId,
    /// What that customer paid for when this was read.
    pub tier: TierName,
    /// Its public name.
    pub slug: Slug,
    /// What it is called.
    pub title: ServerTitle,
    /// What it is for.
    pub description: String,
    /// What it serves; without a release, no tools.
    pub release: Option<ReleaseId>,
    /// The tools of that release, by name.
    pub tools: BTreeMap<ToolName, ServedTool>,
    /// Of which calls the contents are kept.
    pub keep_contents: KeepContents,
    /// Who may use it.
    pub access: AccessPolicy,
    /// All its environment values; a tool may read those that its grants name.
    pub environment: BTreeMap<EnvName, EnvValue>,
}

/// A tool as it is served: one version of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedTool {
    /// The tool.
    pub id: ToolId,
    /// The version.
    pub version: VersionId,
    /// What its source is written in.
    pub language: Language,
    /// Which function of an uploaded component it is.
    pub export: Option<String>,
    /// The version's digest.
    pub digest: Digest,
    /// Half of the key of its artifact.
    pub source_digest: Digest,
    /// What it says of itself.
    pub interface: InterfaceText,
    /// What it may use.
    pub grants: Grants,
    /// What it became under the engine that was asked for; absent if it must be built from source first.
    pub artifact: Option<Artifact>,
}

/// The server of this name, whosever it is: the caller compares [`ServedServer::customer`]. Two queries, however many tools.
pub async fn find_by_slug(
    connection: &mut PgConnection,
    slug: &Slug,
    engine: &Digest,
) -> Result<Option<ServedServer>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT server_id, customer_id, tier, title, description, current_release_id, keep_contents, access,
            (SELECT coalesce(json_object_agg(environment.name, value), '{}') FROM environment
                WHERE environment.server_id = servers.server_id) AS "environment!: Json<BTreeMap<EnvName, EnvValue>>"
        FROM servers JOIN customers USING (customer_id) WHERE slug = $1"#,
        slug.as_str()
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(StoreError::during("load a served server"))?;
    let Some(row) = row else { return Ok(None) };
    let tools = match row.current_release_id {
        Some(release) => list_tools(connection, release, engine).await?,
        None => BTreeMap::new(),
    };
    Ok(Some(ServedServer {
        id: ServerId::from_uuid(row.server_id),
        customer: CustomerId::from_uuid(row.customer_id),
        tier: row.tier.parse().map_err(StoreError::corrupt("tier name"))?,
        slug: slug.clone(),
        title: row.title.parse().map_err(StoreError::corrupt("server title"))?,
        description: row.description,
        release: row.current_release_id.map(ReleaseId::from_uuid),
        tools,
        keep_contents: servers::read_keep_contents(&row.keep_contents)?,
        access: servers::read_access(&row.access)?,
        environment: row.environment.0,
    }))
}

/// A release does not change, so that this needs no transaction with what came before.
async fn list_tools(
    connection: &mut PgConnection,
    release: Uuid,
    engine: &Digest,
) -> Result<BTreeMap<ToolName, ServedTool>, StoreError> {
    let rows = sqlx::query_as!(
        ToolRow,
        r#"SELECT tool_id, tools.name, version_id, language, export, digest, versions.source_digest,
            interface::text AS "interface!", grants AS "grants: Json<Grants>",
            artifact_digest AS "artifact_digest?", artifact_bytes AS "artifact_bytes?", signature AS "artifact_signature?"
        FROM release_tools
            JOIN tools USING (tool_id)
            JOIN versions USING (tool_id, version_id)
            LEFT JOIN artifacts ON artifacts.source_digest = versions.source_digest
                AND engine_digest = CASE language WHEN 'component' THEN $3::bytea ELSE $2::bytea END
        WHERE release_id = $1"#,
        release,
        engine.as_bytes().as_slice(),
        artifacts::OF_COMPONENTS.as_bytes().as_slice()
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("load a served server's tools"))?;
    rows.into_iter().map(ToolRow::read).collect()
}

struct ToolRow {
    tool_id: Uuid,
    name: String,
    version_id: Uuid,
    language: String,
    export: Option<String>,
    digest: Vec<u8>,
    source_digest: Vec<u8>,
    interface: String,
    grants: Json<Grants>,
    artifact_digest: Option<Vec<u8>>,
    artifact_bytes: Option<i64>,
    artifact_signature: Option<Vec<u8>>,
}

impl ToolRow {
    fn read(self) -> Result<(ToolName, ServedTool), StoreError> {
        let artifact = match (self.artifact_digest, self.artifact_bytes) {
            (Some(digest), Some(bytes)) => Some(artifacts::read(&digest, bytes, self.artifact_signature.as_deref())?),
            _ => None,
        };
        let tool = ServedTool {
            id: ToolId::from_uuid(self.tool_id),
            version: VersionId::from_uuid(self.version_id),
            language: versions::read_language(&self.language)?,
            export: self.export,
            digest: self.digest.as_slice().try_into().map_err(StoreError::corrupt("digest"))?,
            source_digest: self.source_digest.as_slice().try_into().map_err(StoreError::corrupt("digest"))?,
            interface: InterfaceText::new(self.interface),
            grants: self.grants.0,
            artifact,
        };
        Ok((self.name.parse().map_err(StoreError::corrupt("tool name"))?, tool))
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::{
        artifacts::ArtifactKey,
        fixtures::{self, Queries, at, connect},
    };

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_server_is_read_whole(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "pro").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let (forecast, history) = (
            fixtures::tool(&mut connection, customer, server, "forecast").await,
            fixtures::tool(&mut connection, customer, server, "history").await,
        );
        let built = fixtures::version(&mut connection, customer, forecast, "forecast", "built").await;
        let unbuilt = fixtures::version(&mut connection, customer, history, "history", "unbuilt").await;
        let release = fixtures::release(&mut connection, customer, server, &[("forecast", built), ("history", unbuilt)]).await;
        fixtures::version(&mut connection, customer, history, "history", "not released").await;
        fixtures::environment(&mut connection, customer, server, "CITY", "Oslo").await;
        let engine = Digest::of(b"engine");
        let artifact = Artifact { digest: Digest::of(b"artifact"), bytes: 8, signature: None };
        for (source, engine) in [("built", engine), ("built", Digest::of(b"old")), ("unbuilt", Digest::of(b"old"))] {
            let key = ArtifactKey { source: Digest::of(source.as_bytes()), engine };
            artifacts::upsert(&mut connection, &key, &artifact, at(0)).await.unwrap();
        }

        let served = find_by_slug(&mut connection, &"weather".parse().unwrap(), &engine).await.unwrap().unwrap();

        assert_eq!((served.id, served.customer, served.tier.as_str()), (server, customer, "pro"));
        assert_eq!(served.release, Some(release));
        assert_eq!(served.environment, BTreeMap::from([("CITY".parse().unwrap(), "Oslo".parse().unwrap())]));
        let tools: Vec<_> = served.tools.iter().map(|(name, tool)| (name.as_str(), tool.version, tool.artifact)).collect();
        assert_eq!(tools, [("forecast", built, Some(artifact)), ("history", unbuilt, None)]);
    }

    /// DB-1
    #[sqlx::test(migrations = "../../migrations")]
    async fn a_server_of_fifty_tools_takes_as_many_queries_as_one_of_one(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "pro").await;
        for (slug, tools) in [("single", 1), ("several", 50)] {
            let server = fixtures::server(&mut connection, customer, slug).await;
            let mut versions = Vec::new();
            for name in (0..tools).map(|index| format!("tool_{index}")) {
                let tool = fixtures::tool(&mut connection, customer, server, &name).await;
                let version = fixtures::version(&mut connection, customer, tool, &name, &name).await;
                versions.push((name, version));
            }
            let versions: Vec<_> = versions.iter().map(|(name, version)| (name.as_str(), *version)).collect();
            fixtures::release(&mut connection, customer, server, &versions).await;
        }

        Queries::begin(&mut connection).await;
        let mut counts = Vec::new();
        for slug in ["single", "several"] {
            let queries = Queries::default();
            let listening = tracing::subscriber::set_default(queries.clone());
            let served = find_by_slug(&mut connection, &slug.parse().unwrap(), &Digest::of(b"engine")).await;
            drop(listening);
            counts.push((served.unwrap().unwrap().tools.len(), queries.count()));
        }

        assert_eq!(counts, [(1, 2), (50, 2)]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_server_without_a_release_has_no_tools(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        fixtures::tool(&mut connection, customer, server, "forecast").await;
        let engine = Digest::of(b"engine");

        let served = find_by_slug(&mut connection, &"weather".parse().unwrap(), &engine).await.unwrap().unwrap();

        assert_eq!((served.release, served.tools.len()), (None, 0));
        assert_eq!(find_by_slug(&mut connection, &"climate".parse().unwrap(), &engine).await.unwrap(), None);
    }
}
