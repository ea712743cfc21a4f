//! Components: uploads that become tools, and tools as downloads.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use app::{
    App, Caller,
    components::{self, NewComponent, NewComponents, Ticket, Words},
};
use axum::{
    Json as Answer,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use domain::{Digest, Grants, Slug, VersionId};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    paths::{ServerPath, ToolPath},
    tools::BuiltVersion,
};
use crate::{
    caller::CustomerCaller,
    error::ApiError,
    extract::{
        Path, Query,
        body::{self, BodyBounds},
    },
};

/// The media type of WebAssembly.
pub(crate) const WASM: &str = "application/wasm";

/// How long a component may take to arrive: the largest tier's 32 MiB over a line of 5 Mbit/s take 54 s.
const BODY_WAIT_MAX: Duration = Duration::from_mins(1);

/// How long any component may take to arrive, however small it is.
const BODY_WAIT_MIN: Duration = Duration::from_secs(10);

/// Bytes that arrive in a second beyond that, at the least: a line of 5 Mbit/s.
const BODY_BYTES_PER_SECOND_MIN: u64 = 625_000;

/// What is said of a component beside its bytes.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentQuery {
    /// Which of the component's functions the tool is: `name`, or `package:interface/name#function`. Needed where it exports several.
    #[param(example = "forecast")]
    export: Option<String>,
    /// What it asks to use: grants as JSON.
    #[param(example = json!("{\"hosts\":[{\"host\":\"api.example.com\"}]}"))]
    grants: Option<String>,
    /// The name that people see; for a function, whose types do not say it.
    #[param(max_length = 120)]
    title: Option<String>,
    /// What it does and when to use it; for a function, whose types do not say it.
    #[param(max_length = 4000)]
    description: Option<String>,
}

/// What is said of a component whose functions all become tools.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentsQuery {
    /// What stands before each function's name, in which `_` stands for `-`.
    #[param(example = "weather_")]
    prefix: Option<String>,
    /// What each of them asks to use: grants as JSON.
    #[param(example = json!("{\"hosts\":[{\"host\":\"api.example.com\"}]}"))]
    grants: Option<String>,
}

/// Which version is downloaded.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct DownloadQuery {
    /// The version; without one, the tool's newest.
    #[param(value_type = Option<String>, format = Uuid)]
    version_id: Option<VersionId>,
}

/// What came of a component.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BuiltVersions {
    /// The new version of each tool, in the order of the component's exports.
    versions: Vec<BuiltVersion>,
}

/// A WebAssembly component in the binary format.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(crate) struct Component(#[expect(dead_code, reason = "it stands for the bytes in the document")] Vec<u8>);

/// Whether the body is declared as a component.
pub(crate) fn is_declared(headers: &HeaderMap) -> bool {
    body::media_type(headers) == WASM
}

/// Puts the component in the body as the tool `name`.
pub(super) async fn put_one(
    app: &App,
    caller: &Caller,
    ToolPath { slug, name }: ToolPath,
    query: ComponentQuery,
    request: Request,
) -> Result<BuiltVersion, ApiError> {
    let ComponentQuery { export, grants, title, description } = query;
    let grants = read_grants(grants.as_deref())?;
    let words = Words { title, description, ..Words::default() };
    let (ticket, component) = receive(app, caller, &slug, request).await?;
    let new = NewComponent { component, export, grants, words };
    let built = components::put(app, caller, &slug, &name, ticket, new).await?;
    Ok(built.into())
}

/// Makes each function of a component into a tool
///
/// The tools have the functions' names, with `_` for `-` and after the prefix; all of them get a version, or none. A component of the world
/// `toolwright:tool` is one tool with its own name. Nothing is served before a release.
#[utoipa::path(put, path = "/servers/{slug}/tools", tag = "tools", security(("api_key" = [])), params(ServerPath, ComponentsQuery),
    request_body(content = Component, content_type = "application/wasm"),
    responses((status = 201, description = "The new versions", body = BuiltVersions)))]
pub(crate) async fn put_tools(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
    Query(ComponentsQuery { prefix, grants }): Query<ComponentsQuery>,
    request: Request,
) -> Result<(StatusCode, Answer<BuiltVersions>), ApiError> {
    let grants = read_grants(grants.as_deref())?;
    let (ticket, component) = receive(&app, &caller, &slug, request).await?;
    let new = NewComponents { component, prefix: prefix.unwrap_or_default(), grants };
    let built = components::put_all(&app, &caller, &slug, ticket, new).await?;
    let versions = built.into_iter().map(BuiltVersion::from).collect();
    Ok((StatusCode::CREATED, Answer(BuiltVersions { versions })))
}

/// Downloads a tool as a component
///
/// Every tool can be had in this form: an uploaded component as it was, a source as a component of the world `toolwright:tool` with the
/// engine that runs it. Another installation takes it as an upload.
#[utoipa::path(get, path = "/servers/{slug}/tools/{name}/component", tag = "tools", security(("api_key" = [])),
    params(ToolPath, DownloadQuery, ("If-None-Match" = Option<String>, Header, description = "ETags of earlier downloads")),
    responses(
        (status = 200, description = "The component", body = Component, content_type = "application/wasm",
            headers(("ETag" = String, description = "Another value stands for other bytes"))),
        (status = 304, description = "You have it"),
    ))]
pub(crate) async fn get_component(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ToolPath { slug, name }): Path<ToolPath>,
    Query(DownloadQuery { version_id }): Query<DownloadQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let download = components::download(&app, &caller, &slug, &name, version_id, &known(&headers)).await?;
    let mut response = match download.component {
        None => StatusCode::NOT_MODIFIED.into_response(),
        Some(component) => ([(header::CONTENT_TYPE, WASM)], component).into_response(),
    };
    let fields = [
        (header::ETAG, format!("\"{}\"", download.digest)),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.wasm\"")),
        // What it is changes with the next version, and not everybody may have it.
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    for (field, value) in fields {
        response.headers_mut().extend(HeaderValue::try_from(value).ok().map(|value| (field, value)));
    }
    Ok(response)
}

/// Begins an upload and reads the component, which is bounded by the customer's tier. What can be said of it by its headers is said first.
async fn receive(app: &App, caller: &Caller, slug: &Slug, request: Request) -> Result<(Ticket, Vec<u8>), ApiError> {
    if !is_declared(request.headers()) {
        return Err(body::unsupported("a WebAssembly component is needed, with the header `Content-Type: application/wasm`"));
    }
    body::check_plain(request.headers())?;
    let ticket = components::begin(app, caller, slug, body::declared_bytes(request.headers())).await?;
    let bytes_max = ticket.bytes_awaited();
    let bounds = BodyBounds { bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX), wait: wait_for(bytes_max) };
    let component = body::read(request, &bounds, || ticket.too_large().into()).await?;
    Ok((ticket, component.into()))
}

/// How long so many bytes may take.
fn wait_for(bytes: u64) -> Duration {
    (BODY_WAIT_MIN + Duration::from_secs(bytes / BODY_BYTES_PER_SECOND_MIN)).min(BODY_WAIT_MAX)
}

fn read_grants(text: Option<&str>) -> Result<Grants, ApiError> {
    let Some(text) = text else { return Ok(Grants::default()) };
    serde_json::from_str(text).map_err(|error| {
        let reason: String = error.to_string().chars().take(200).collect();
        ApiError::invalid(format!("`grants` in the query are not right: {reason}"))
    })
}

/// The digests of what the client has (RFC 9110, section 13.1.2). What is no digest of ours is none of ours.
fn known(headers: &HeaderMap) -> BTreeSet<Digest> {
    let fields = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|field| field.to_str().ok());
    let tags = fields.flat_map(|field| field.split(',')).map(str::trim);
    tags.filter_map(|tag| tag.trim_start_matches("W/").trim_matches('"').parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_component_is_not_waited_for_as_long_as_a_large_one() {
        assert_eq!(wait_for(0), BODY_WAIT_MIN);
        assert_eq!(wait_for(2 * 1024 * 1024), Duration::from_secs(13));
        assert_eq!(wait_for(u64::MAX), BODY_WAIT_MAX);
    }

    #[test]
    fn known_downloads_are_read_from_all_fields() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let fields = [format!("\"{one}\", \"abc\""), format!("W/\"{other}\""), "*".to_owned()];
        let headers = fields.iter().map(|field| (header::IF_NONE_MATCH, HeaderValue::from_str(field).unwrap())).collect();

        assert_eq!(known(&headers), BTreeSet::from([one, other]));
    }
}
