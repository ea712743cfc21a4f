//! Which bytes a source became under an engine. The bytes themselves are blobs ([`crate::blobs`]).

use chrono::{DateTime, Utc};
use domain::Digest;
use sqlx::PgConnection;

use crate::{StoreError, number};

/// What stands for the engine in the key of an uploaded component, which brings its own: no engine has this digest.
pub const OF_COMPONENTS: Digest = Digest::from_bytes([0; 32]);

/// What an artifact is found by. A new engine finds none and makes its own, while nodes with the old one go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArtifactKey {
    /// Over source and language.
    pub source: Digest,
    /// Of the engine that is in the artifact; [`OF_COMPONENTS`] for an uploaded component.
    pub engine: Digest,
}

/// What a source became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Artifact {
    /// Of its bytes, which are the blob of this name.
    pub digest: Digest,
    /// How many they are.
    pub bytes: u64,
    /// The platform's signature; absent on one that was made before artifacts were signed.
    pub signature: Option<[u8; 32]>,
}

/// Which artifacts are old enough to be orphans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeBefore {
    /// Those that can be made again from source, if they were made before this.
    pub from_source: DateTime<Utc>,
    /// Uploaded components, which cannot, if they came before this.
    pub uploaded: DateTime<Utc>,
}

/// Writes what a source became; what it became before is forgotten.
pub async fn upsert(
    connection: &mut PgConnection,
    key: &ArtifactKey,
    artifact: &Artifact,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO artifacts (source_digest, engine_digest, artifact_digest, artifact_bytes, created_at, signature)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (source_digest, engine_digest)
            DO UPDATE SET artifact_digest = $3, artifact_bytes = $4, created_at = $5, signature = $6",
        key.source.as_bytes().as_slice(),
        key.engine.as_bytes().as_slice(),
        artifact.digest.as_bytes().as_slice(),
        number::write("artifact_bytes", artifact.bytes)?,
        at,
        artifact.signature.as_ref().map(<[u8; 32]>::as_slice)
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("write an artifact"))?;
    Ok(())
}

/// What a source became under an engine, if it was ever built with it.
pub async fn find(connection: &mut PgConnection, key: &ArtifactKey) -> Result<Option<Artifact>, StoreError> {
    let row = sqlx::query!(
        "SELECT artifact_digest, artifact_bytes, signature FROM artifacts WHERE source_digest = $1 AND engine_digest = $2",
        key.source.as_bytes().as_slice(),
        key.engine.as_bytes().as_slice()
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::during("find an artifact"))?;
    row.map(|row| read(&row.artifact_digest, row.artifact_bytes, row.signature.as_deref())).transpose()
}

/// Holds the bytes of `digest` until the transaction ends: whoever keeps them and whoever deletes them do so one after the other.
pub async fn lock(connection: &mut PgConnection, digest: &Digest) -> Result<(), StoreError> {
    // Two digests may have one lock: then they wait for each other, and that is all.
    let number = digest.as_bytes().first_chunk().map_or(0, |first| i64::from_be_bytes(*first));
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(number)
        .execute(connection)
        .await
        .map_err(StoreError::during("lock an artifact"))?;
    Ok(())
}

/// Whether any source became these bytes. The answer stays true for as long as the digest is held ([`lock`]).
pub async fn is_needed(connection: &mut PgConnection, digest: &Digest) -> Result<bool, StoreError> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM artifacts WHERE artifact_digest = $1) AS "is_needed!""#,
        digest.as_bytes().as_slice()
    )
    .fetch_one(connection)
    .await
    .map_err(StoreError::during("look for an artifact"))
}

/// Digests of up to `limit` artifacts that no version has the source of and that are old enough. The spans of grace keep a build apart from the
/// version that follows it; should an artifact be forgotten all the same, it is made again from source, if it has one.
pub async fn list_orphans(connection: &mut PgConnection, made: MadeBefore, limit: i64) -> Result<Vec<Digest>, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"SELECT DISTINCT artifact_digest FROM (
            SELECT artifact_digest FROM artifacts
            WHERE created_at < CASE WHEN engine_digest = $3 THEN $4::timestamptz ELSE $1::timestamptz END
                AND NOT EXISTS (SELECT FROM versions WHERE versions.source_digest = artifacts.source_digest)
            LIMIT $2
        ) AS orphans"#,
        made.from_source,
        limit,
        OF_COMPONENTS.as_bytes().as_slice(),
        made.uploaded
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::during("list orphaned artifacts"))?;
    rows.iter().map(|digest| digest.as_slice().try_into().map_err(StoreError::corrupt("digest"))).collect()
}

/// Forgets what became these bytes, as far as it is an orphan still ([`list_orphans`]), and gives how many that were. Whoever asks holds the
/// digest ([`lock`]), deletes the blob if nothing needs it any more ([`is_needed`]), and commits after that.
pub async fn delete_orphan(connection: &mut PgConnection, digest: &Digest, made: MadeBefore) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM artifacts
        WHERE artifact_digest = $1
            AND created_at < CASE WHEN engine_digest = $3 THEN $4::timestamptz ELSE $2::timestamptz END
            AND NOT EXISTS (SELECT FROM versions WHERE versions.source_digest = artifacts.source_digest)",
        digest.as_bytes().as_slice(),
        made.from_source,
        OF_COMPONENTS.as_bytes().as_slice(),
        made.uploaded
    )
    .execute(connection)
    .await
    .map_err(StoreError::during("delete orphaned artifacts"))?;
    Ok(done.rows_affected())
}

pub(crate) fn read(digest: &[u8], bytes: i64, signature: Option<&[u8]>) -> Result<Artifact, StoreError> {
    Ok(Artifact {
        digest: digest.try_into().map_err(StoreError::corrupt("digest"))?,
        bytes: number::read("artifact_bytes", bytes)?,
        signature: signature.map(<[u8; 32]>::try_from).transpose().map_err(StoreError::corrupt("signature"))?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sqlx::PgPool;

    use super::*;
    use crate::fixtures::{self, at, connect};

    fn key(source: &str, engine: &str) -> ArtifactKey {
        ArtifactKey { source: Digest::of(source.as_bytes()), engine: Digest::of(engine.as_bytes()) }
    }

    fn artifact(bytes: &str) -> Artifact {
        Artifact { digest: Digest::of(bytes.as_bytes()), bytes: bytes.len() as u64, signature: Some([5; 32]) }
    }

    fn before(seconds: i64) -> MadeBefore {
        MadeBefore { from_source: at(seconds), uploaded: at(seconds) }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn an_artifact_is_found_by_source_and_engine(pool: PgPool) {
        let mut connection = connect(&pool).await;
        upsert(&mut connection, &key("source", "old"), &artifact("one"), at(0)).await.unwrap();
        upsert(&mut connection, &key("source", "old"), &artifact("other"), at(0)).await.unwrap();

        assert_eq!(find(&mut connection, &key("source", "old")).await.unwrap(), Some(artifact("other")));
        assert_eq!(find(&mut connection, &key("source", "new")).await.unwrap(), None);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn only_what_no_version_needs_is_forgotten(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let customer = fixtures::customer(&mut connection, "free").await;
        let server = fixtures::server(&mut connection, customer, "weather").await;
        let tool = fixtures::tool(&mut connection, customer, server, "forecast").await;
        fixtures::version(&mut connection, customer, tool, "forecast", "kept").await;
        for (source, bytes, made_at) in
            [("kept", "shared", 0), ("gone", "shared", 0), ("gone too", "alone", 0), ("recent", "recent", 100)]
        {
            upsert(&mut connection, &key(source, "engine"), &artifact(bytes), at(made_at)).await.unwrap();
        }

        let mut forgotten = BTreeMap::new();
        for digest in list_orphans(&mut connection, before(50), 10).await.unwrap() {
            let rows = delete_orphan(&mut connection, &digest, before(50)).await.unwrap();
            forgotten.insert(digest, (rows, is_needed(&mut connection, &digest).await.unwrap()));
        }

        let expected = [(artifact("alone").digest, (1, false)), (artifact("shared").digest, (1, true))];
        assert_eq!(forgotten, expected.into(), "the bytes that `kept` and `gone` share are needed still");
        for (source, is_left) in [("kept", true), ("gone", false), ("gone too", false), ("recent", true)] {
            assert_eq!(find(&mut connection, &key(source, "engine")).await.unwrap().is_some(), is_left, "{source}");
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_is_renewed_while_it_is_forgotten_stays(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let key = ArtifactKey { engine: OF_COMPONENTS, ..key("component", "") };
        upsert(&mut connection, &key, &artifact("component"), at(0)).await.unwrap();
        let mut renewing = pool.begin().await.unwrap();
        upsert(&mut renewing, &key, &artifact("component"), at(100)).await.unwrap();

        let forgetting = tokio::spawn({
            let mut connection = connect(&pool).await;
            async move { delete_orphan(&mut connection, &artifact("component").digest, before(50)).await }
        });
        let waits =
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.unwrap() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        renewing.commit().await.unwrap();

        assert_eq!(forgetting.await.unwrap().unwrap(), 0);
        assert_eq!(find(&mut connection, &key).await.unwrap(), Some(artifact("component")));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_component_has_a_span_of_grace_of_its_own(pool: PgPool) {
        let mut connection = connect(&pool).await;
        let component = ArtifactKey { engine: OF_COMPONENTS, ..key("component", "") };
        upsert(&mut connection, &component, &artifact("component"), at(50)).await.unwrap();
        upsert(&mut connection, &key("source", "engine"), &artifact("built"), at(50)).await.unwrap();

        let made = MadeBefore { from_source: at(100), uploaded: at(20) };
        let orphans = list_orphans(&mut connection, made, 10).await.unwrap();
        let deleted = delete_orphan(&mut connection, &artifact("component").digest, made).await.unwrap();

        assert_eq!(
            (orphans, deleted),
            (vec![artifact("built").digest], 0),
            "what cannot be made again may have its version coming still"
        );
    }
}
