//! From a version to code that runs: the artifact that is stored, else made again from source; its native code from the sandbox's cache,
//! else made by a worker process (RUN-2, RUN-9).

mod error;
mod kept;
mod orphans;
mod slot;
mod tries;

use std::{sync::Arc, time::Instant};

use compiler::Waiter;
use domain::{CustomerId, Digest, Tier};
use sandbox::{Invocable, LoadError};

use self::error::{MakeError, load_error};
pub(crate) use self::{
    error::build_error,
    kept::{find_ours, is_ours, keep, key, source_digest},
    orphans::{Orphans, sweep},
    slot::{ArtifactSlot, Loss, locate, replace, unreadable},
};
use crate::{App, AppError, catalogue::ServedTool};

/// A version that somebody waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Whose it is.
    pub(crate) customer: CustomerId,
    pub(crate) tier: &'a Tier,
    pub(crate) tool: &'a ServedTool,
    pub(crate) waiter: Waiter,
}

/// Code that is ready to run.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The artifact.
    pub(crate) digest: Digest,
    /// Its code.
    pub(crate) code: Arc<Invocable>,
}

/// The code of a version. What a call rarely needs is put on the heap when it is: every call carries this future.
pub(crate) async fn prepare(app: &App, wanted: &Wanted<'_>) -> Result<Ready, AppError> {
    let digest = locate(app, wanted).await?;
    let since = Instant::now();
    match load(app, wanted, digest).await {
        Ok(code) => Ok(Ready { digest, code }),
        Err(LoadError::Make(error)) if error.is_cured_by_a_build(wanted.tool.language) => {
            let digest = Box::pin(replace(app, wanted, Loss { digest, since, reason: &*error })).await?;
            let code = Box::pin(load(app, wanted, digest)).await.map_err(load_error)?;
            Ok(Ready { digest, code })
        }
        Err(LoadError::Make(error)) => match &*error {
            MakeError::Read(read) => Err(unreadable(wanted.tool, read).await),
            _ => Err(load_error(LoadError::Make(error))),
        },
        Err(error) => Err(load_error(error)),
    }
}

async fn load(app: &App, wanted: &Wanted<'_>, digest: Digest) -> Result<Arc<Invocable>, LoadError<MakeError>> {
    let make = async { Box::pin(make_native(app, wanted, digest)).await };
    app.sandbox.load(wanted.customer, digest, &wanted.tool.form, make).await
}

async fn make_native(app: &App, wanted: &Wanted<'_>, digest: Digest) -> Result<Vec<u8>, MakeError> {
    let artifact = app.blobs.get(&digest).await.map_err(MakeError::Read)?.ok_or(MakeError::Missing(digest))?;
    let making = app.workers.precompile(wanted.waiter, wanted.customer, &wanted.tool.form, artifact.into());
    making.await.map_err(MakeError::Build)
}
