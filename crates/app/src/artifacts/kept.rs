//! Artifacts as they are kept: a row that the platform signed, the bytes, and the native code of this node.

use std::sync::Arc;

use domain::{Digest, Language};
use sandbox::ToolForm;
use store::{
    PgConnection,
    artifacts::{Artifact, ArtifactKey, OF_COMPONENTS},
};

use super::error::blob_error;
use crate::{App, AppError};

/// The digest of a source in its language, by which its artifact is found.
pub(crate) fn source_digest(language: Language, source: &[u8]) -> Digest {
    Digest::of_parts([language.as_str().as_bytes(), source])
}

/// What the artifact of a source is found by: it is this program's engine's. A component's is of no engine.
pub(crate) const fn key(app: &App, language: Language, source: Digest) -> ArtifactKey {
    match language {
        Language::TypeScript | Language::JavaScript => ArtifactKey { source, engine: app.engine },
        Language::Component => ArtifactKey { source, engine: OF_COMPONENTS },
    }
}

/// What a source became under this program's engine, if the platform says so: what it did not sign, it does not know (SEC-10).
pub(crate) async fn find_ours(app: &App, connection: &mut PgConnection, key: &ArtifactKey) -> Result<Option<Artifact>, AppError> {
    let found = store::artifacts::find(connection, key).await?;
    Ok(found.filter(|artifact| is_ours(app, key, artifact)))
}

/// Whether the platform signed that this is what the source of `key` became.
pub(crate) fn is_ours(app: &App, key: &ArtifactKey, artifact: &Artifact) -> bool {
    let is_ours = app.signer.is_artifact_ours(key, artifact);
    if !is_ours {
        let digest = artifact.digest;
        tracing::warn!(source.digest = %key.source, artifact.digest = %digest, "an artifact does not carry this installation's signature: it is not used");
    }
    is_ours
}

/// Stores an artifact that a worker built or inspected, and gives its digest. The row comes first: a sweep finds what has a row.
pub(crate) async fn keep(
    app: &App,
    language: Language,
    source: Digest,
    artifact: Vec<u8>,
    native: Vec<u8>,
) -> Result<Digest, AppError> {
    let key = key(app, language, source);
    let (digest, bytes) = (Digest::of(&artifact), artifact.len() as u64);
    let row = Artifact { digest, bytes, signature: Some(app.signer.sign_artifact(&key, &digest, bytes)) };
    store::artifacts::upsert(&mut *app.pool.acquire().await?, &key, &row, app.clock.now()).await?;
    // A sweep that took the row for an orphan may be about to delete the bytes: it does so before these are written, or not at all.
    let mut transaction = app.pool.begin().await?;
    store::artifacts::lock(&mut transaction, &digest).await?;
    store::artifacts::upsert(&mut transaction, &key, &row, app.clock.now()).await?;
    let digest = app.blobs.put(artifact).await.map_err(blob_error)?;
    transaction.commit().await?;
    keep_native(app, language, digest, native).await;
    Ok(digest)
}

async fn keep_native(app: &App, language: Language, digest: Digest, native: Vec<u8>) {
    let sandbox = Arc::clone(&app.sandbox);
    let kept = tokio::task::spawn_blocking(move || {
        // All functions of a component have one code.
        let form = match language {
            Language::TypeScript | Language::JavaScript => ToolForm::JavaScript,
            Language::Component => ToolForm::Component { export: None },
        };
        sandbox.keep(digest, &form, &native).map_err(|error| error.to_string())
    })
    .await;
    if let Err(error) = kept.unwrap_or_else(|error| Err(error.to_string())) {
        // The first call makes it instead.
        tracing::warn!(error, "native code of a new artifact was not kept");
    }
}
