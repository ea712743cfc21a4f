//! Tools.

use std::sync::Arc;

use app::{
    App,
    components::{Revision, Words},
    tools,
};
use axum::{
    Json as Answer,
    extract::{FromRequest as _, FromRequestParts as _, Request, State},
};
use chrono::{DateTime, Utc};
use domain::{Digest, Example, Grants, Language, ToolId, ToolName, VersionId};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    components::{self, Component, ComponentQuery},
    grants::GrantsView,
    interface::InterfaceView,
    paths::{ServerPath, ToolPath},
    versions::{LanguageView, VersionView},
};
use crate::{
    caller::CustomerCaller,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
    state::WebState,
};

/// A version of a tool that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVersion {
    /// What the source is written in.
    #[schema(value_type = LanguageView)]
    language: Language,
    /// The source: a module whose default export is `tool({...})`, 1 MiB at most. Left out for `component`: the code stays as it is.
    #[serde(default)]
    #[schema(
        required = false,
        max_length = 1_048_576,
        example = "import { tool } from \"toolwright\";\nexport default tool({\n  name: \"forecast\",\n  description: \"Forecast for a city.\",\n  input: { type: \"object\", properties: { city: { type: \"string\" } }, required: [\"city\"] },\n  async run({ city }, ctx) {\n    return { summary: `sunny in ${city}` };\n  },\n});\n"
    )]
    source: Option<String>,
    /// What is said of a function of a component; what is left out stays as it is. For `component` alone: a source says it itself.
    #[serde(default)]
    #[schema(required = false)]
    interface: Option<NewWords>,
    /// What it asks to use.
    #[serde(default)]
    #[schema(value_type = GrantsView, required = false)]
    grants: Grants,
}

/// What the types of a component's function do not say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWords {
    /// The name that people see.
    #[schema(max_length = 120)]
    title: Option<String>,
    /// What it does and when to use it.
    #[schema(max_length = 4000)]
    description: Option<String>,
    /// Hints for clients (MCP, `ToolAnnotations`).
    #[schema(value_type = Option<Object>)]
    annotations: Option<Map<String, Value>>,
    /// Calls that show how it is used: `{input, output?}`. They must work.
    #[schema(value_type = Option<Vec<Object>>, max_items = 8)]
    examples: Option<Vec<Example>>,
}

/// What came of a build.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BuiltVersion {
    /// The new version.
    #[schema(value_type = String, format = Uuid)]
    version_id: VersionId,
    /// SHA-256 over source, language, grants and interface, as 64 hexadecimal digits.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    digest: Digest,
    /// What the tool says of itself.
    interface: InterfaceView,
    /// Wall time from the request to the stored version, in milliseconds.
    #[schema(example = 38)]
    build_ms: u32,
}

/// A tool.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tool)]
pub(crate) struct ToolView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    tool_id: ToolId,
    /// Its name.
    #[schema(value_type = String, example = "forecast")]
    name: ToolName,
    /// Its newest version, which the next release takes unless it is told otherwise.
    newest: VersionView,
    /// When its first version was put.
    created_at: DateTime<Utc>,
}

impl From<tools::ToolView> for ToolView {
    fn from(view: tools::ToolView) -> Self {
        let tools::ToolView { tool_id, name, newest, created_at } = view;
        Self { tool_id, name, newest: newest.into(), created_at }
    }
}

impl From<tools::VersionBuilt> for BuiltVersion {
    fn from(built: tools::VersionBuilt) -> Self {
        let tools::VersionBuilt { version_id, digest, interface, build_ms } = built;
        Self { version_id, digest, interface: interface.as_ref().into(), build_ms }
    }
}

/// Builds a source, or takes a component, into the next version of a tool
///
/// A tool that is not there is made; the name in the path must be the tool's own, but for a function of a component, which gets it. Nothing is
/// served before a release. A source that does not become a tool answers 422 with `error_code` `build_failed` and `details.diagnostics`: a
/// list of `{message, line?, column?, source_line?}`, lines and columns counted from 1; so does a component that cannot be hosted. The query is
/// for components.
#[utoipa::path(put, path = "/servers/{slug}/tools/{name}", tag = "tools", security(("api_key" = [])), params(ToolPath, ComponentQuery),
    request_body(content((NewVersion = "application/json"), (Component = "application/wasm"))),
    responses((status = 201, description = "The new version", body = BuiltVersion)))]
pub(crate) async fn put_tool(
    State(state): State<WebState>,
    CustomerCaller(caller): CustomerCaller,
    Path(path): Path<ToolPath>,
    uri: Uri,
    request: Request,
) -> Result<(StatusCode, Answer<BuiltVersion>), ApiError> {
    let app = &state.app;
    if components::is_declared(request.headers()) {
        let (mut parts, body) = request.into_parts();
        let Query(query) = Query::<ComponentQuery>::from_request_parts(&mut parts, &()).await?;
        let built = components::put_one(app, &caller, path, query, Request::from_parts(parts, body)).await?;
        return Ok((StatusCode::CREATED, Answer(built)));
    }
    if uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(ApiError::invalid("the query is not right: what is said of a source stands in its body"));
    }
    let Json(new) = Json::<NewVersion>::from_request(request, &state).await?;
    let ToolPath { slug, name } = path;
    let built = match new.read()? {
        NewCode::Source(source) => tools::put(app, &caller, &slug, &name, source).await?,
        NewCode::Revision(revision) => app::components::revise(app, &caller, &slug, &name, revision).await?,
    };
    Ok((StatusCode::CREATED, Answer(built.into())))
}

/// Lists the tools of a server by name
#[utoipa::path(get, path = "/servers/{slug}/tools", tag = "tools", security(("api_key" = [])), params(ServerPath, PageQuery),
    responses((status = 200, description = "A page of tools", body = Page<ToolView>)))]
pub(crate) async fn list_tools(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<ToolView>>, ApiError> {
    let tools = tools::list(&app, &caller, &slug, &page.try_into()?).await?;
    Ok(Answer(tools.into()))
}

/// Shows a tool with its newest version
#[utoipa::path(get, path = "/servers/{slug}/tools/{name}", tag = "tools", security(("api_key" = [])), params(ToolPath),
    responses((status = 200, description = "The tool", body = ToolView)))]
pub(crate) async fn get_tool(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ToolPath { slug, name }): Path<ToolPath>,
) -> Result<Answer<ToolView>, ApiError> {
    let tool = tools::load(&app, &caller, &slug, &name).await?;
    Ok(Answer(tool.into()))
}

/// Takes a tool out of the next release
///
/// The release that is served keeps it until then.
#[utoipa::path(delete, path = "/servers/{slug}/tools/{name}", tag = "tools", security(("api_key" = [])), params(ToolPath),
    responses((status = 204, description = "The tool is out of the next release")))]
pub(crate) async fn delete_tool(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ToolPath { slug, name }): Path<ToolPath>,
) -> Result<StatusCode, ApiError> {
    tools::delete(&app, &caller, &slug, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a body of JSON asks for.
enum NewCode {
    Source(tools::NewVersion),
    Revision(Revision),
}

impl NewVersion {
    fn read(self) -> Result<NewCode, ApiError> {
        let Self { language, source, interface, grants } = self;
        match (language, source, interface) {
            (Language::Component, None, words) => {
                let NewWords { title, description, annotations, examples } = words.unwrap_or_default();
                Ok(NewCode::Revision(Revision { grants, words: Words { title, description, annotations, examples } }))
            }
            (Language::Component, Some(_), _) => Err(ApiError::invalid(
                "a component is put in the binary format, with the header `Content-Type: application/wasm`",
            )),
            (_, None, _) => Err(ApiError::invalid("`source` is missing")),
            (_, Some(_), Some(_)) => Err(ApiError::invalid("a source describes itself: leave out `interface`")),
            (language, Some(source), None) => Ok(NewCode::Source(tools::NewVersion { language, source, grants })),
        }
    }
}
