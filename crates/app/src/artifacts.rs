//! From a version to code that runs: the artifact that is stored, else made again from source; its native code from the sandbox's cache,
//! else made by a worker process (RUN-2, RUN-9).

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use compiler::{BuildError, BuildRequest, ModuleBounds, Waiter, WorkerError};
use domain::{CustomerId, Digest, Language, Tier};
use sandbox::{Invocable, LoadError, ToolForm};
use store::{
    PgConnection,
    artifacts::{Artifact, ArtifactKey, MadeBefore, OF_COMPONENTS},
    blobs::BlobError,
};
use tokio::sync::{Mutex, MutexGuard};

use crate::{App, AppError, catalogue::ServedTool, disk, signing::SignatureError};

/// Orphaned artifacts that one statement deletes; a sweep runs as many statements as it needs.
const SWEEP_BATCH: i64 = 100;

/// An artifact is older than its version: what is younger than this may have one coming.
const ORPHAN_AGE_MIN: TimeDelta = TimeDelta::hours(1);

/// What a sweep takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orphans {
    /// Those that have no version coming, by their age.
    Old,
    /// All that can be made again from source, and of the components, which cannot, the old ones.
    Replaceable,
}

/// What a version became under this program's engine, once that is known.
#[derive(Debug, Default)]
pub(crate) struct ArtifactSlot {
    known: RwLock<Option<Digest>>,
    /// Held by whoever finds it out, so that one builds for all who wait.
    finding: Mutex<Tries>,
}

/// What came of building a version again.
#[derive(Debug, Default)]
struct Tries {
    /// When that went well last.
    built: Option<Instant>,
    /// When that went wrong last, and what is said of it until it is worth trying again.
    failed: Option<(Instant, Failure)>,
}

/// An artifact that cannot be used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss<'a> {
    pub(crate) digest: Digest,
    /// From before it was looked for: one that was built since then is not lost.
    pub(crate) since: Instant,
    pub(crate) reason: &'a (dyn std::error::Error + Sync + 'static),
}

#[derive(Debug, Clone)]
enum Failure {
    /// There is nothing to make it of.
    Lost(String),
    /// It may go well later.
    Passing(String),
}

/// Seconds between two attempts to build a version again: whoever calls it meanwhile is told what came of the last one, and so the log is told once.
const BUILT_AGAIN_EVERY_S: u32 = 10;

/// Seconds after which somebody may have made room on a disk.
const DISK_RETRY_S: u32 = 30;

/// Code that is ready to run.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The artifact.
    pub(crate) digest: Digest,
    /// Its code.
    pub(crate) code: Arc<Invocable>,
}

/// Why native code could not be made; shared by all who waited for it.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    /// The blob is gone: the artifact must be built again.
    #[error("artifact {0} is not in the blob store")]
    Missing(Digest),
    #[error("cannot read an artifact")]
    Read(#[source] BlobError),
    #[error("cannot make native code of an artifact")]
    Build(#[source] BuildError),
}

impl MakeError {
    /// Of a source, whatever is the matter with the bytes that it became. Those of a component may be readable another time.
    fn is_cured_by_a_build(&self, language: Language) -> bool {
        match self {
            Self::Missing(_)
            | Self::Read(BlobError::Damaged { .. } | BlobError::NoFile { .. })
            | Self::Build(BuildError::OtherBase) => true,
            Self::Read(_) => language != Language::Component,
            Self::Build(_) => false,
        }
    }
}

impl ArtifactSlot {
    pub(crate) fn of(known: Option<Digest>) -> Self {
        Self { known: RwLock::new(known), finding: Mutex::default() }
    }

    fn known(&self) -> Option<Digest> {
        *self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, digest: Digest) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(digest);
    }
}

/// The code of `tool`, a version of `customer`, for whoever waits for it. What a call rarely needs is put on the heap when it is: every call carries this future.
pub(crate) async fn prepare(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    tool: &ServedTool,
    waiter: Waiter,
) -> Result<Ready, AppError> {
    let digest = locate(app, customer, tier, tool, waiter).await?;
    let since = Instant::now();
    match load(app, customer, tool, digest, waiter).await {
        Ok(code) => Ok(Ready { digest, code }),
        Err(LoadError::Make(error)) if error.is_cured_by_a_build(tool.language) => {
            let digest = Box::pin(replace(app, customer, tier, tool, waiter, Loss { digest, since, reason: &*error })).await?;
            let code = Box::pin(load(app, customer, tool, digest, waiter)).await.map_err(load_error)?;
            Ok(Ready { digest, code })
        }
        Err(LoadError::Make(error)) => match &*error {
            MakeError::Read(read) => Err(unreadable(tool, read).await),
            _ => Err(load_error(LoadError::Make(error))),
        },
        Err(error) => Err(load_error(error)),
    }
}

async fn load(
    app: &App,
    customer: CustomerId,
    tool: &ServedTool,
    digest: Digest,
    waiter: Waiter,
) -> Result<Arc<Invocable>, LoadError<MakeError>> {
    let make = async { Box::pin(make_native(app, customer, &tool.form, digest, waiter)).await };
    app.sandbox.load(customer, digest, &tool.form, make).await
}

/// The artifact of `tool`, which is built if there is none of this engine yet; refused if the version is not what the platform signed.
pub(crate) async fn locate(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    tool: &ServedTool,
    waiter: Waiter,
) -> Result<Digest, AppError> {
    tool.signed.map_err(|error| AppError::internal(format!("version {} is not run", tool.version_id), error))?;
    match tool.artifact.known() {
        Some(digest) => Ok(digest),
        None => Box::pin(find_or_build(app, customer, tier, tool, waiter)).await,
    }
}

/// What the artifact of a source is found by.
pub(crate) const fn key(app: &App, language: Language, source: Digest) -> ArtifactKey {
    match language {
        Language::TypeScript | Language::JavaScript => ArtifactKey { source, engine: app.engine },
        Language::Component => ArtifactKey { source, engine: OF_COMPONENTS },
    }
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
    Ok(digest)
}

/// Deletes artifacts, rows and blobs, whose source no version has (RUN-4). Should one go that a version is just about to have, it is built
/// again when it is called; a component cannot be, so only an old one goes.
pub(crate) async fn sweep(app: &App, orphans: Orphans) -> Result<(), AppError> {
    let now = app.clock.now();
    let old = now - ORPHAN_AGE_MIN;
    let made = match orphans {
        Orphans::Old => MadeBefore { from_source: old, uploaded: old },
        Orphans::Replaceable => MadeBefore { from_source: now, uploaded: old },
    };
    loop {
        let orphans = store::artifacts::list_orphans(&mut *app.pool.acquire().await?, made, SWEEP_BATCH).await?;
        let mut deleted = 0;
        for digest in &orphans {
            deleted += delete_orphan(app, digest, made).await?;
        }
        // One that is needed again meanwhile is none any more.
        if deleted == 0 {
            return Ok(());
        }
    }
}

/// Deletes the rows of an artifact, and its bytes unless other rows need them. The rows go last, when the bytes are gone: should this be cut off in
/// between, the next sweep finds them.
async fn delete_orphan(app: &App, digest: &Digest, made: MadeBefore) -> Result<u64, AppError> {
    let mut transaction = app.pool.begin().await?;
    store::artifacts::lock(&mut transaction, digest).await?;
    let deleted = store::artifacts::delete_orphan(&mut transaction, digest, made).await?;
    if !store::artifacts::is_needed(&mut transaction, digest).await? {
        app.blobs.delete(digest).await.map_err(blob_error)?;
    }
    transaction.commit().await?;
    Ok(deleted)
}

/// What a source became under this program's engine, if the platform says so: what it did not sign, it does not know (SEC-10).
pub(crate) async fn find_ours(app: &App, connection: &mut PgConnection, key: &ArtifactKey) -> Result<Option<Artifact>, AppError> {
    let found = store::artifacts::find(connection, key).await?;
    Ok(found.filter(|artifact| is_ours(app, key, artifact)))
}

/// What an artifact is found by.
pub(crate) fn source_digest(language: Language, source: &[u8]) -> Digest {
    Digest::of_parts([language.as_str().as_bytes(), source])
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

async fn find_or_build(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    tool: &ServedTool,
    waiter: Waiter,
) -> Result<Digest, AppError> {
    let mut tries = tool.artifact.finding.lock().await;
    if let Some(digest) = tool.artifact.known() {
        return Ok(digest);
    }
    let key = key(app, tool.language, tool.source_digest);
    let finding = async { find_ours(app, &mut *app.pool.acquire().await?, &key).await };
    let digest = match app.outage.while_there(finding).await? {
        Some(artifact) => artifact.digest,
        None => tries.build(app, customer, tier, tool, waiter).await?,
    };
    tool.artifact.set(digest);
    Ok(digest)
}

/// Builds an artifact whose bytes are lost, or cannot be read: once for all who found it so.
pub(crate) async fn replace(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    tool: &ServedTool,
    waiter: Waiter,
    lost: Loss<'_>,
) -> Result<Digest, AppError> {
    let mut tries: MutexGuard<'_, Tries> = tool.artifact.finding.lock().await;
    let was_built = tries.built.is_some_and(|built| built >= lost.since);
    if let Some(digest) = tool.artifact.known().filter(|digest| was_built || *digest != lost.digest) {
        return Ok(digest);
    }
    if let Some(failed) = tries.failed_lately() {
        return Err(failed);
    }
    tracing::warn!(error = lost.reason as &dyn std::error::Error, version_id = %tool.version_id, "building version {} again", tool.version_id);
    let digest = tries.build(app, customer, tier, tool, waiter).await?;
    tool.artifact.set(digest);
    Ok(digest)
}

/// Says that bytes cannot be read which are there, and cannot be made again; the log is told now and then.
pub(crate) async fn unreadable(tool: &ServedTool, error: &BlobError) -> AppError {
    let mut tries = tool.artifact.finding.lock().await;
    if let Some(failed) = tries.failed_lately() {
        return failed;
    }
    tracing::error!(error = error as &dyn std::error::Error, version_id = %tool.version_id, "an artifact cannot be read");
    let message = "the code of this tool cannot be read from the disk at the moment".to_owned();
    tries.failed = Some((Instant::now(), Failure::Passing(message.clone())));
    AppError::Later { message, retry_after_s: BUILT_AGAIN_EVERY_S }
}

impl Tries {
    /// Builds it, unless that went wrong a moment ago.
    async fn build(
        &mut self,
        app: &App,
        customer: CustomerId,
        tier: &Tier,
        tool: &ServedTool,
        waiter: Waiter,
    ) -> Result<Digest, AppError> {
        if let Some(failed) = self.failed_lately() {
            return Err(failed);
        }
        let built = app.outage.while_there(build_again(app, customer, tier, tool, waiter)).await;
        self.failed = match &built {
            Ok(_) | Err(AppError::Busy { .. } | AppError::Unavailable { .. }) => None,
            Err(AppError::Lost { message }) => {
                tracing::error!(version_id = %tool.version_id, "{message}");
                Some(Failure::Lost(message.clone()))
            }
            // Whoever asked is answered with it, and the log with what stands behind it.
            Err(AppError::Later { message, .. }) => Some(Failure::Passing(message.clone())),
            Err(_) => Some(Failure::Passing("the code of this version cannot be made again at the moment".to_owned())),
        }
        .map(|failure| (Instant::now(), failure));
        self.built = built.is_ok().then(Instant::now);
        built
    }

    fn failed_lately(&self) -> Option<AppError> {
        let (at, failure) = self.failed.as_ref()?;
        let lately = Duration::from_secs(BUILT_AGAIN_EVERY_S.into());
        (at.elapsed() < lately).then(|| match failure.clone() {
            Failure::Lost(message) => AppError::Lost { message },
            Failure::Passing(message) => AppError::Later { message, retry_after_s: BUILT_AGAIN_EVERY_S },
        })
    }
}

/// Builds the version's source with this program's engine.
async fn build_again(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    tool: &ServedTool,
    waiter: Waiter,
) -> Result<Digest, AppError> {
    let found = store::versions::find(&mut *app.pool.acquire().await?, customer, tool.version_id).await?;
    let version = found.ok_or_else(|| AppError::not_found("version", tool.version_id))?;
    let artifact_bytes_max = tier.limits.artifact_bytes_max;
    let source = version.source.ok_or_else(|| lost(tool))?;
    if source_digest(tool.language, source.as_bytes()) != tool.source_digest {
        return Err(AppError::internal(format!("version {} is not built", tool.version_id), SignatureError::Content));
    }
    // What it imports was held against tier and grants when it was put.
    let modules = ModuleBounds::none();
    let request = BuildRequest { customer, language: tool.language, source, artifact_bytes_max, modules };
    let built = app.workers.build_for(waiter, request).await.map_err(|error| match error {
        // It was taken when it was put: that this engine does not take it is for the operator to know.
        BuildError::Rejected(_) => AppError::internal(format!("version {} does not build any more", tool.version_id), error),
        error => build_error(tier, error),
    })?;
    keep(app, tool.language, tool.source_digest, built.artifact, built.native).await
}

async fn make_native(
    app: &App,
    customer: CustomerId,
    form: &ToolForm,
    digest: Digest,
    waiter: Waiter,
) -> Result<Vec<u8>, MakeError> {
    let artifact = app.blobs.get(&digest).await.map_err(MakeError::Read)?.ok_or(MakeError::Missing(digest))?;
    app.workers.precompile(waiter, customer, form, artifact.into()).await.map_err(MakeError::Build)
}

/// A build's error as a use case answers it.
pub(crate) fn build_error(tier: &Tier, error: BuildError) -> AppError {
    match error {
        BuildError::Rejected(diagnostics) => AppError::Build { diagnostics },
        BuildError::ArtifactSize { .. } => AppError::Limit(domain::LimitExceeded {
            limit: domain::LimitName::ArtifactBytesMax,
            value: tier.limits.artifact_bytes_max,
            tier: tier.name.clone(),
        }),
        // Or neither the source's fault nor one that lasts; the pool has said in the log what it was.
        BuildError::Busy | BuildError::Worker(WorkerError::Stopped | WorkerError::NotReady(_)) => {
            AppError::Busy { limit: None, retry_after_s: 1 }
        }
        BuildError::OtherBase => AppError::internal("an artifact was made on another state of the engine", error),
        BuildError::Worker(source) => AppError::internal("the build worker failed", source),
    }
}

/// What is said of a component whose bytes are lost.
fn lost(tool: &ServedTool) -> AppError {
    let (name, version) = (&tool.interface.name, tool.version_id);
    let message = format!(
        "the component that `{name}` is (version {version}) is lost, and it cannot be made again from anything: whoever owns the tool has to put the same component again, which makes all its versions work"
    );
    AppError::Lost { message }
}

/// Why bytes were not kept, for whoever wanted them kept; the log is told what stands behind it.
fn blob_error(error: BlobError) -> AppError {
    let Some(obstacle) = error.obstacle() else { return AppError::internal(error.to_string(), error) };
    let words = disk::words(obstacle);
    tracing::error!(error = &error as &dyn std::error::Error, "{words}");
    AppError::Later { message: words.to_owned(), retry_after_s: DISK_RETRY_S }
}

fn load_error(error: LoadError<MakeError>) -> AppError {
    match &error {
        LoadError::Make(made) => match &**made {
            MakeError::Build(BuildError::Busy | BuildError::Worker(WorkerError::Stopped | WorkerError::NotReady(_))) => {
                AppError::Busy { limit: None, retry_after_s: 1 }
            }
            _ => AppError::internal("cannot make a tool's native code", error),
        },
        LoadError::Busy => AppError::Busy { limit: None, retry_after_s: 1 },
        LoadError::ShutDown => AppError::Unavailable { message: "this node is shutting down".to_owned() },
        _ => AppError::internal("cannot load a tool's native code", error),
    }
}
