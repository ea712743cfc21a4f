//! Building a version again: from its source, not again and again if that goes wrong.

use std::time::{Duration, Instant};

use compiler::{BuildError, BuildRequest, ModuleBounds};
use domain::Digest;

use super::{
    Wanted, build_error,
    error::lost,
    kept::{keep, source_digest},
};
use crate::{App, AppError, signing::SignatureError};

/// Seconds between two attempts to build a version again: whoever calls it meanwhile is told what came of the last one, and so the log is told once.
const BUILT_AGAIN_EVERY_S: u32 = 10;

/// What came of building a version again.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// When that went well last.
    built: Option<Instant>,
    /// When that went wrong last, and what is said of it until it is worth trying again.
    failed: Option<(Instant, Failure)>,
}

#[derive(Debug, Clone)]
enum Failure {
    /// There is nothing to make it of.
    Lost(String),
    /// It may go well later.
    Passing(String),
}

impl Tries {
    /// Builds it, unless that went wrong a moment ago.
    pub(super) async fn build(&mut self, app: &App, wanted: &Wanted<'_>) -> Result<Digest, AppError> {
        if let Some(failed) = self.failed_lately() {
            return Err(failed);
        }
        let built = app.outage.while_there(build_again(app, wanted)).await;
        self.failed = match &built {
            Ok(_) | Err(AppError::Busy { .. } | AppError::Unavailable { .. }) => None,
            Err(AppError::Lost { message }) => {
                tracing::error!(version_id = %wanted.tool.version_id, "{message}");
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

    pub(super) fn have_built_since(&self, moment: Instant) -> bool {
        self.built.is_some_and(|built| built >= moment)
    }

    /// What is said instead of another try, if the last one was a moment ago.
    pub(super) fn failed_lately(&self) -> Option<AppError> {
        let (at, failure) = self.failed.as_ref()?;
        let lately = Duration::from_secs(BUILT_AGAIN_EVERY_S.into());
        (at.elapsed() < lately).then(|| failure.clone().into())
    }

    /// Says the same of it until it is worth trying again.
    pub(super) fn give_up_for_now(&mut self, message: String) -> AppError {
        let failure = Failure::Passing(message);
        self.failed = Some((Instant::now(), failure.clone()));
        failure.into()
    }
}

impl From<Failure> for AppError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost(message) => Self::Lost { message },
            Failure::Passing(message) => Self::Later { message, retry_after_s: BUILT_AGAIN_EVERY_S },
        }
    }
}

/// Builds the version's source with this program's engine.
async fn build_again(app: &App, wanted: &Wanted<'_>) -> Result<Digest, AppError> {
    let Wanted { customer, tier, tool, waiter } = *wanted;
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
