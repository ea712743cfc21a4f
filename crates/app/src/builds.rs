//! From a source to a version: limits, build, checks, examples, rows (design.md, "From source to live").

use std::{collections::BTreeSet, time::Instant};

use compiler::{BuildRequest, ModuleBounds};
use domain::{CustomerId, Digest, GrantError, LimitExceeded, LimitName, ModuleName, Slug, Tier, ToolInterface, ToolName};
use store::servers::Server;
use telemetry::BuildResult;

use crate::{
    App, AppError, artifacts,
    audit::Intent,
    candidates::{self, Candidate, Surroundings, Tried, rejected},
    limits::RateExceeded,
    modules, servers, signing, tiers,
    tools::{NewVersion, VersionBuilt},
};

/// A source that became code, not yet a version.
struct Built {
    artifact: Digest,
    interface: ToolInterface,
    modules: BTreeSet<ModuleName>,
}

/// Builds, checks and keeps a version.
pub(crate) async fn put(
    app: &App,
    intent: Intent,
    customer: CustomerId,
    slug: &Slug,
    name: &ToolName,
    new: NewVersion,
) -> Result<VersionBuilt, AppError> {
    let began = Instant::now();
    let tried = observe(app, began, build_version(app, intent, customer, slug, name, new).await)?;
    Ok(tell(slug, began, tried))
}

/// Counts how a build ended that `began` then.
pub(crate) fn observe<T>(app: &App, began: Instant, result: Result<T, AppError>) -> Result<T, AppError> {
    let counted = match &result {
        Ok(_) => Some(BuildResult::Success),
        Err(AppError::Build { .. } | AppError::Limit(_) | AppError::Invalid { .. }) => Some(BuildResult::Rejected),
        Err(AppError::Busy { .. }) => Some(BuildResult::Busy),
        Err(AppError::Internal { .. } | AppError::Unavailable { .. } | AppError::Later { .. }) => Some(BuildResult::Failed),
        // Nothing was built.
        Err(_) => None,
    };
    if let Some(counted) = counted {
        app.metrics.observe_build(counted, began.elapsed());
    }
    result
}

/// A version that was kept, as whoever put it is told.
pub(crate) fn tell(slug: &Slug, began: Instant, Tried { tool, .. }: Tried) -> VersionBuilt {
    let build_ms = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
    let (name, version_id) = (&tool.interface.name, tool.version_id);
    tracing::info!(server.slug = %slug, tool.name = %name, %version_id, build_ms, "built version of tool `{name}`");
    VersionBuilt { version_id, digest: tool.digest, interface: tool.interface, build_ms }
}

async fn build_version(
    app: &App,
    intent: Intent,
    customer: CustomerId,
    slug: &Slug,
    name: &ToolName,
    new: NewVersion,
) -> Result<Tried, AppError> {
    let server = servers::load_own(&mut *app.pool.acquire().await?, customer, slug).await?;
    let tier = tiers::of_customer(app, customer).await?;
    check_source(&new.source)?;
    new.grants.check(&tier).map_err(grant_error)?;
    take_build(app, customer, &tier)?;

    let source_digest = artifacts::source_digest(new.language, new.source.as_bytes());
    let bounds = modules::bounds(app, &tier, &new.grants.modules).await?;
    let found = find_built(app, customer, &tier, &server, name, source_digest).await?;
    let built = match found.filter(|built| built.modules.iter().all(|name| bounds.admit(name.as_str()).is_ok())) {
        Some(built) => built,
        None => build(app, customer, &tier, &new, bounds, source_digest).await?,
    };
    if built.interface.name != *name {
        return Err(rejected(format!(
            "the tool's `name` is `{}`, and it was put as `{name}`: both must be the same",
            built.interface.name
        )));
    }
    let NewVersion { language, source, mut grants } = new;
    grants.modules = built.modules;
    let around = Surroundings::load(app, customer, &server).await?;
    let candidate = Candidate {
        language,
        source: Some(source),
        export: None,
        source_digest,
        artifact: built.artifact,
        interface: built.interface,
        grants,
    };
    let tried = candidates::try_out(app, customer, &tier, &around, candidate).await?;
    candidates::keep(app, intent, customer, &around, std::slice::from_ref(&tried)).await?;
    Ok(tried)
}

fn check_source(source: &str) -> Result<(), AppError> {
    if source.len() > NewVersion::SOURCE_BYTES_MAX {
        return Err(AppError::invalid(format!(
            "`source` has {} bytes: {} are allowed",
            source.len(),
            NewVersion::SOURCE_BYTES_MAX
        )));
    }
    if source.contains('\0') {
        return Err(AppError::invalid("`source` has a NUL character: write it as \\0 in a string"));
    }
    Ok(())
}

/// Why grants are not given.
pub(crate) fn grant_error(error: GrantError) -> AppError {
    match error {
        GrantError::Limit(limit) => AppError::Limit(limit),
        error => AppError::invalid(format!("`grants` cannot be given: {error}")),
    }
}

/// Takes one of the builds of the hour.
pub(crate) fn take_build(app: &App, customer: CustomerId, tier: &Tier) -> Result<(), AppError> {
    let value = tier.limits.builds_per_hour_max;
    app.build_rates.take(customer, value).map(drop).map_err(|RateExceeded { retry_after_s }| AppError::RateLimited {
        limit: LimitExceeded { limit: LimitName::BuildsPerHourMax, value: value.into(), tier: tier.name.clone() },
        retry_after_s,
    })
}

/// What the tool's newest version was built into, if it has the same source: only its grants are to change.
async fn find_built(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    server: &Server,
    name: &ToolName,
    source_digest: Digest,
) -> Result<Option<Built>, AppError> {
    let mut connection = app.pool.acquire().await?;
    let Some(tool) = store::tools::find(&mut connection, customer, server.id, name).await? else { return Ok(None) };
    let newest = store::versions::find_newest(&mut connection, customer, tool.id).await?;
    let Some(newest) = newest.filter(|newest| newest.source_digest == source_digest) else { return Ok(None) };
    // What somebody else wrote into it must not be signed by being taken over.
    if signing::check_kept(app, &mut connection, &newest).await?.is_err() {
        return Ok(None);
    }
    let found = artifacts::find_ours(app, &mut connection, &artifacts::key(app, newest.language, source_digest)).await?;
    let found = found.filter(|artifact| artifact.bytes <= tier.limits.artifact_bytes_max);
    Ok(found.map(|artifact| Built { artifact: artifact.digest, interface: newest.interface, modules: newest.grants.modules }))
}

async fn build(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    new: &NewVersion,
    modules: ModuleBounds,
    source_digest: Digest,
) -> Result<Built, AppError> {
    let artifact_bytes_max = tier.limits.artifact_bytes_max;
    let (language, source) = (new.language, new.source.clone());
    let request = BuildRequest { customer, language, source, artifact_bytes_max, modules };
    let built = app.workers.build(request).await.map_err(|error| artifacts::build_error(tier, error))?;
    let artifact = artifacts::keep(app, new.language, source_digest, built.artifact, built.native).await?;
    Ok(Built { artifact, interface: built.interface, modules: built.modules })
}
