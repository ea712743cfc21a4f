//! Versions that were built and are not kept yet: their schemas, their examples, their rows.

use std::collections::BTreeMap;

use domain::{
    CustomerId, Diagnostic, Digest, EnvName, EnvValue, Grants, Language, ServerId, Slug, Tier, ToolId, ToolInterface, VersionId,
};
use store::servers::Server;
use store::versions::{Version, VersionSummary};

use crate::{
    App, AppError,
    audit::{About, Intent},
    catalogue::{ServedTool, ToolParts},
    examples, secrets, versions,
};

/// Characters of a server's name, a character between, and a tool's: some clients leave out a tool with more.
const JOINED_NAME_CHARS_MAX: usize = 60;

/// A version that was built.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) language: Language,
    /// None for a component.
    pub(crate) source: Option<String>,
    /// Which function of a component it is.
    pub(crate) export: Option<String>,
    pub(crate) source_digest: Digest,
    pub(crate) artifact: Digest,
    pub(crate) interface: ToolInterface,
    pub(crate) grants: Grants,
}

/// A version that can be called, and whose examples ran well.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) tool: ServedTool,
    source: Option<String>,
    grants: Grants,
}

/// The server that candidates are for.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) server: ServerId,
    slug: Slug,
    pub(crate) environment: BTreeMap<EnvName, EnvValue>,
}

impl Surroundings {
    pub(crate) async fn load(app: &App, customer: CustomerId, server: &Server) -> Result<Self, AppError> {
        let environment = store::environment::load_values(&mut *app.pool.acquire().await?, customer, server.id).await?;
        Ok(Self { server: server.id, slug: server.slug.clone(), environment })
    }

    /// Checks that clients can show the tool to a model: they join the server's name and the tool's.
    fn check_name(&self, interface: &ToolInterface) -> Result<(), AppError> {
        let joined = self.slug.as_str().len() + 1 + interface.name.as_str().len();
        if interface.offer.is_tool() && joined > JOINED_NAME_CHARS_MAX {
            return Err(rejected(format!(
                "`{}_{}` has {joined} characters, and clients that join the server's name and the tool's allow {JOINED_NAME_CHARS_MAX}: \
                 give the tool a shorter name",
                self.slug, interface.name
            )));
        }
        Ok(())
    }
}

/// Compiles the schemas, gives the values and secrets that were granted, and runs the examples.
pub(crate) async fn try_out(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    around: &Surroundings,
    candidate: Candidate,
) -> Result<Tried, AppError> {
    around.check_name(&candidate.interface)?;
    let names = candidate.grants.secrets.keys().cloned().collect();
    let secrets = secrets::open(app, &mut *app.pool.acquire().await?, customer, around.server, &names).await?;
    let digest = version_digest(&candidate)?;
    let Candidate { language, source, export, source_digest, artifact, interface, grants } = candidate;
    let parts = ToolParts {
        version_id: VersionId::new(),
        digest,
        language,
        export,
        source_digest,
        // It was built here and now; it is signed when it is kept.
        signed: Ok(()),
        artifact: Some(artifact),
        interface,
        grants: &grants,
        environment: &around.environment,
        customer,
        secrets: &secrets,
    };
    let tool = ServedTool::new(parts);
    let schemas = app.schemas.load(&app.preparations, &tool).await?;
    schemas.map_err(|error| rejected(error.to_string()))?;
    examples::check(app, customer, tier, &tool, source.as_deref().unwrap_or_default()).await?;
    Ok(Tried { tool, source, grants })
}

/// Keeps versions, and the tools of those that are the first of theirs: all of them or none.
pub(crate) async fn keep(
    app: &App,
    intent: Intent,
    customer: CustomerId,
    around: &Surroundings,
    tried: &[Tried],
) -> Result<(), AppError> {
    let (server, created_at) = (around.server, app.clock.now());
    let mut deed = intent.begin(app).await?;
    let mut last = None;
    for Tried { tool, source, grants } in tried {
        let name = &tool.interface.name;
        let tool_id = store::tools::upsert(&mut deed, customer, server, name, created_at).await?;
        let summary = VersionSummary {
            id: tool.version_id,
            tool: *last.insert(tool_id.ok_or_else(|| AppError::not_found("server", server))?),
            language: tool.language,
            export: tool.export().map(str::to_owned),
            digest: tool.digest,
            source_digest: tool.source_digest,
            interface: ToolInterface::clone(&tool.interface),
            grants: grants.clone(),
            created_at,
        };
        let version = Version { summary, source: source.clone() };
        let signature = app.signer.sign_version(&store::signatures::before_insert(server, &version.summary)?);
        if !store::versions::insert(&mut deed, customer, &version).await? {
            return Err(AppError::not_found("server", server));
        }
        store::signatures::insert(&mut deed, version.summary.id, &signature).await?;
    }
    versions::forget_old(app, &mut deed, server).await?;
    deed.commit(about(around, tried, last)).await
}

/// What is wrong with a whole source or component.
pub(crate) fn rejected(message: impl Into<String>) -> AppError {
    AppError::Build { diagnostics: vec![Diagnostic::without_place(message)] }
}

/// What was put: one tool, or all those of a component.
fn about(around: &Surroundings, tried: &[Tried], last: Option<ToolId>) -> About {
    let slug = &around.slug;
    if let ([Tried { tool, .. }], Some(id)) = (tried, last) {
        let about = About::a("tool").id(id.as_uuid()).named(&format!("{slug}/{}", tool.interface.name));
        return about.version(tool.version_id, tool.digest).detail("language", tool.language.as_str());
    }
    let names = tried.iter().map(|tried| format!("{} {}", tried.tool.interface.name, tried.tool.digest));
    About::a("server").id(around.server.as_uuid()).named(slug).list("tools", names)
}

fn version_digest(candidate: &Candidate) -> Result<Digest, AppError> {
    let json = |error| AppError::internal("cannot write an interface or grants as JSON", error);
    let grants = serde_json::to_vec(&candidate.grants).map_err(json)?;
    let interface = serde_json::to_vec(&candidate.interface).map_err(json)?;
    let content = candidate.source.as_deref().map_or(candidate.source_digest.as_bytes().as_slice(), str::as_bytes);
    let export = candidate.export.as_deref().unwrap_or_default();
    let parts = [content, candidate.language.as_str().as_bytes(), &grants, &interface, export.as_bytes()];
    // What is no component has no fifth part: its digest is what it always was.
    let count = if candidate.export.is_some() { 5 } else { 4 };
    Ok(Digest::of_parts(parts.into_iter().take(count)))
}
