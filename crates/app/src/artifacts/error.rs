//! Why there is no code, and how that is told.

use compiler::{BuildError, WorkerError};
use domain::{Digest, Language, Tier};
use sandbox::LoadError;
use store::blobs::BlobError;

use crate::{AppError, catalogue::ServedTool, disk};

/// Seconds after which somebody may have made room on a disk.
const DISK_RETRY_S: u32 = 30;

/// Why native code could not be made; shared by all who waited for it.
#[derive(Debug, thiserror::Error)]
pub(super) enum MakeError {
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
    pub(super) fn is_cured_by_a_build(&self, language: Language) -> bool {
        match self {
            Self::Missing(_)
            | Self::Read(BlobError::Damaged { .. } | BlobError::NoFile { .. })
            | Self::Build(BuildError::OtherBase) => true,
            Self::Read(_) => language != Language::Component,
            Self::Build(_) => false,
        }
    }
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

/// Why a tool's code was not loaded, for whoever called it.
pub(super) fn load_error(error: LoadError<MakeError>) -> AppError {
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

/// Why bytes were not kept, for whoever wanted them kept; the log is told what stands behind it.
pub(super) fn blob_error(error: BlobError) -> AppError {
    let Some(obstacle) = error.obstacle() else { return AppError::internal(error.to_string(), error) };
    let words = disk::words(obstacle);
    tracing::error!(error = &error as &dyn std::error::Error, "{words}");
    AppError::Later { message: words.to_owned(), retry_after_s: DISK_RETRY_S }
}

/// What is said of a component whose bytes are lost.
pub(super) fn lost(tool: &ServedTool) -> AppError {
    let (name, version) = (&tool.interface.name, tool.version_id);
    let message = format!(
        "the component that `{name}` is (version {version}) is lost, and it cannot be made again from anything: whoever owns the tool has to put the same component again, which makes all its versions work"
    );
    AppError::Lost { message }
}
