//! What the platform signed of versions, with the texts that the signature is over (SEC-10). Nothing here can sign or verify.

use domain::{Digest, ReleaseId, ServerId, ToolId, VersionId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{StoreError, versions};

/// A version as it is signed, with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedVersion {
    /// Which.
    pub version: VersionId,
    /// Its tool.
    pub tool: ToolId,
    /// The tool's server.
    pub server: ServerId,
    /// Over source, language, grants and interface.
    pub digest: Digest,
    /// Over source and language.
    pub source_digest: Digest,
    /// The word of its language.
    pub language: String,
    /// Which function of a component it is.
    pub export: Option<String>,
    /// Its interface as it is kept, letter by letter.
    pub interface: String,
    /// Its grants as they are kept, letter by letter.
    pub grants: String,
    /// Absent if nobody signed it.
    pub signature: Option<Vec<u8>>,
}

/// Keeps the signature of a version, 32 bytes. It never changes.
pub async fn insert(connection: &mut PgConnection, version: VersionId, signature: &[u8; 32]) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO version_signatures (version_id, signature) VALUES ($1, $2)",
        version.as_uuid(),
        signature.as_slice()
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("insert a version's signature"))?;
    Ok(())
}

/// The versions of a release.
pub async fn list_of_release(connection: &mut PgConnection, release: ReleaseId) -> Result<Vec<SignedVersion>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT versions.version_id, versions.tool_id, tools.server_id, digest, source_digest, language, export,
            interface::text AS "interface!", grants::text AS "grants!", signature AS "signature?"
        FROM release_tools JOIN versions USING (version_id) JOIN tools ON tools.tool_id = versions.tool_id
            LEFT JOIN version_signatures USING (version_id)
        WHERE release_id = $1"#,
        release.as_uuid()
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list the signatures of a release"))?;
    rows.into_iter().map(SignedVersion::try_from).collect()
}

/// One version.
pub async fn find(connection: &mut PgConnection, version: VersionId) -> Result<Option<SignedVersion>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT versions.version_id, versions.tool_id, tools.server_id, digest, source_digest, language, export,
            interface::text AS "interface!", grants::text AS "grants!", signature AS "signature?"
        FROM versions JOIN tools USING (tool_id) LEFT JOIN version_signatures USING (version_id)
        WHERE versions.version_id = $1"#,
        version.as_uuid()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find the signature of a version"))?;
    row.map(SignedVersion::try_from).transpose()
}

/// What [`SignedVersion`] will have for a version of a tool of `server` that is about to be kept: its interface and grants are as
/// [`versions::insert`] writes them.
pub fn before_insert(server: ServerId, version: &versions::VersionSummary) -> Result<SignedVersion, StoreError> {
    let (interface, grants) = versions::write_json(version)?;
    Ok(SignedVersion {
        version: version.id,
        tool: version.tool,
        server,
        digest: version.digest,
        source_digest: version.source_digest,
        language: version.language.as_str().to_owned(),
        export: version.export.clone(),
        interface,
        grants,
        signature: None,
    })
}

struct Row {
    version_id: Uuid,
    tool_id: Uuid,
    server_id: Uuid,
    digest: Vec<u8>,
    source_digest: Vec<u8>,
    language: String,
    export: Option<String>,
    interface: String,
    grants: String,
    signature: Option<Vec<u8>>,
}

impl TryFrom<Row> for SignedVersion {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            version: VersionId::from_uuid(row.version_id),
            tool: ToolId::from_uuid(row.tool_id),
            server: ServerId::from_uuid(row.server_id),
            digest: row.digest.as_slice().try_into().map_err(StoreError::corrupt("digest"))?,
            source_digest: row.source_digest.as_slice().try_into().map_err(StoreError::corrupt("digest"))?,
            language: row.language,
            export: row.export,
            interface: row.interface,
            grants: row.grants,
            signature: row.signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, connect, new_version};

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_is_signed_reads_back_letter_by_letter(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let tool = fixtures::tool(&mut connection, customer, server, "forecast").await;
        let version = new_version(tool, "forecast", "source");
        let before = before_insert(server, &version.summary).unwrap();
        versions::insert(&mut connection, customer, &version).await.unwrap();
        let release = fixtures::release(&mut connection, customer, server, &[("forecast", version.summary.id)]).await;

        assert_eq!(find(&mut connection, version.summary.id).await.unwrap(), Some(before.clone()));
        insert(&mut connection, version.summary.id, &[3; 32]).await.unwrap();

        let signed = SignedVersion { signature: Some(vec![3; 32]), ..before };
        assert_eq!(list_of_release(&mut connection, release).await.unwrap(), [signed]);
    }
}
