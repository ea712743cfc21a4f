//! From a source to a version: limits, build, checks, examples, rows (design.md, "From source to live").

use std::{collections::BTreeSet, time::Instant};

use compiler::{BuildRequest, ModuleBounds};
use domain::{
    CustomerId, Diagnostic, Digest, GrantError, LimitExceeded, LimitName, ModuleName, ServerId, Slug, Tier, ToolInterface,
    ToolName, VersionId,
};
use store::{
    servers::Server,
    versions::{Version, VersionSummary},
};
use telemetry::BuildResult;

use crate::{
    App, AppError, artifacts,
    catalogue::{ServedTool, ToolParts},
    examples,
    limits::RateExceeded,
    modules, servers, tiers,
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
    customer: CustomerId,
    slug: &Slug,
    name: &ToolName,
    new: NewVersion,
) -> Result<VersionBuilt, AppError> {
    let began = Instant::now();
    let result = build_version(app, customer, slug, name, new).await;
    let duration = began.elapsed();
    let counted = match &result {
        Ok(_) => Some(BuildResult::Success),
        Err(AppError::Build { .. } | AppError::Limit(_) | AppError::Invalid { .. }) => Some(BuildResult::Rejected),
        Err(AppError::Busy { .. }) => Some(BuildResult::Busy),
        Err(AppError::Internal { .. } | AppError::Unavailable { .. }) => Some(BuildResult::Failed),
        // Nothing was built.
        Err(_) => None,
    };
    if let Some(counted) = counted {
        app.metrics.observe_build(counted, duration);
    }
    let version = result?;
    let build_ms = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    tracing::info!(server.slug = %slug, tool.name = %name, version_id = %version.version_id, build_ms, "built version of tool `{name}`");
    Ok(VersionBuilt { version_id: version.version_id, digest: version.digest, interface: version.interface, build_ms })
}

async fn build_version(
    app: &App,
    customer: CustomerId,
    slug: &Slug,
    name: &ToolName,
    mut new: NewVersion,
) -> Result<ServedTool, AppError> {
    let server = servers::find_own(&mut *app.pool.acquire().await?, customer, slug).await?;
    let tier = tiers::of_customer(app, customer).await?;
    check_source(&new.source)?;
    new.grants.check(&tier).map_err(grant_error)?;
    take_build(app, customer, &tier)?;

    let source_digest = artifacts::source_digest(new.language, &new.source);
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
    new.grants.modules.clone_from(&built.modules);
    let tool = ready_tool(app, customer, &server, &new, built, source_digest).await?;
    examples::check(app, customer, &tier, &tool, &new.source).await?;
    insert(app, customer, server.id, name, new, &tool).await?;
    Ok(tool)
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

fn grant_error(error: GrantError) -> AppError {
    match error {
        GrantError::Limit(limit) => AppError::Limit(limit),
        error => AppError::invalid(format!("`grants` cannot be given: {error}")),
    }
}

fn take_build(app: &App, customer: CustomerId, tier: &Tier) -> Result<(), AppError> {
    let value = tier.limits.builds_per_hour_max;
    app.build_rates.take(customer, value).map_err(|RateExceeded { retry_after_s }| AppError::RateLimited {
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
    let found = artifacts::find_ours(app, &mut connection, source_digest).await?;
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
    let artifact = artifacts::keep(app, source_digest, built.artifact, built.native).await?;
    Ok(Built { artifact, interface: built.interface, modules: built.modules })
}

/// The version, with its schemas compiled and the values that it was granted.
async fn ready_tool(
    app: &App,
    customer: CustomerId,
    server: &Server,
    new: &NewVersion,
    built: Built,
    source_digest: Digest,
) -> Result<ServedTool, AppError> {
    let environment = store::environment::load_values(&mut *app.pool.acquire().await?, customer, server.id).await?;
    let digest = version_digest(new, &built.interface)?;
    let parts = ToolParts {
        version_id: VersionId::new(),
        digest,
        language: new.language,
        source_digest,
        // It was built here and now; it is signed when it is kept.
        signed: Ok(()),
        artifact: Some(built.artifact),
        interface: built.interface,
        grants: &new.grants,
        environment: &environment,
    };
    ServedTool::new(parts).map_err(|error| rejected(error.to_string()))
}

fn version_digest(new: &NewVersion, interface: &ToolInterface) -> Result<Digest, AppError> {
    let json = |error| AppError::internal("cannot write an interface or grants as JSON", error);
    let grants = serde_json::to_vec(&new.grants).map_err(json)?;
    let interface = serde_json::to_vec(interface).map_err(json)?;
    Ok(Digest::of_parts([new.source.as_bytes(), new.language.as_str().as_bytes(), &grants, &interface]))
}

/// Keeps the version, and its tool if this is the first.
async fn insert(
    app: &App,
    customer: CustomerId,
    server: ServerId,
    name: &ToolName,
    new: NewVersion,
    tool: &ServedTool,
) -> Result<(), AppError> {
    let created_at = app.clock.now();
    let mut transaction = app.pool.begin().await?;
    let tool_id = store::tools::upsert(&mut transaction, customer, server, name, created_at).await?;
    let tool_id = tool_id.ok_or_else(|| AppError::not_found("server", server))?;
    let summary = VersionSummary {
        id: tool.version_id,
        tool: tool_id,
        language: new.language,
        export: None,
        digest: tool.digest,
        source_digest: tool.source_digest,
        interface: ToolInterface::clone(&tool.interface),
        grants: new.grants,
        created_at,
    };
    let version = Version { summary, source: Some(new.source) };
    let signature = app.signer.sign_version(&store::signatures::before_insert(server, &version.summary)?);
    if !store::versions::insert(&mut transaction, customer, &version).await? {
        return Err(AppError::not_found("server", server));
    }
    store::signatures::insert(&mut transaction, version.summary.id, &signature).await?;
    transaction.commit().await?;
    Ok(())
}

fn rejected(message: String) -> AppError {
    AppError::Build { diagnostics: vec![Diagnostic::without_place(message)] }
}
