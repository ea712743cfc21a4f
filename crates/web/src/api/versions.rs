//! Versions of a tool.

use std::sync::Arc;

use app::{App, versions};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{Digest, Language, VersionId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    grants::GrantsView,
    interface::InterfaceView,
    paths::{ToolPath, VersionPath},
};
use crate::{
    caller::CustomerCaller,
    error::ApiError,
    extract::{Path, Query},
    page::{Page, PageQuery},
};

/// What a source is written in. Types are stripped, not checked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Language)]
pub(crate) enum LanguageView {
    TypeScript,
    JavaScript,
    Component,
}

/// A version of a tool: immutable.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Version)]
pub(crate) struct VersionView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    version_id: VersionId,
    /// SHA-256 over source, language, grants and interface, as 64 hexadecimal digits.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    digest: Digest,
    /// What its source is written in.
    language: LanguageView,
    /// Which function of an uploaded component it is; absent for a component that is one tool as a whole, and for a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "weather:api/daily#forecast")]
    export: Option<String>,
    /// What it may use.
    grants: GrantsView,
    /// What it says of itself.
    interface: InterfaceView,
    /// When it was put.
    created_at: DateTime<Utc>,
}

/// A version of a tool with its source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionSource {
    #[serde(flatten)]
    version: VersionView,
    /// Its source, as it was put; null for a component, which is downloaded.
    #[schema(required = true)]
    source: Option<String>,
}

impl From<Language> for LanguageView {
    fn from(language: Language) -> Self {
        match language {
            Language::TypeScript => Self::TypeScript,
            Language::JavaScript => Self::JavaScript,
            Language::Component => Self::Component,
        }
    }
}

impl From<versions::VersionView> for VersionView {
    fn from(view: versions::VersionView) -> Self {
        let versions::VersionView { version_id, digest, language, export, grants, interface, created_at } = view;
        let interface = interface.as_ref().into();
        Self { version_id, digest, language: language.into(), export, grants: grants.into(), interface, created_at }
    }
}

/// Lists the versions of a tool, newest first
#[utoipa::path(get, path = "/servers/{slug}/tools/{name}/versions", tag = "tools", security(("api_key" = [])),
    params(ToolPath, PageQuery), responses((status = 200, description = "A page of versions", body = Page<VersionView>)))]
pub(crate) async fn list_versions(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ToolPath { slug, name }): Path<ToolPath>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<VersionView>>, ApiError> {
    let versions = versions::list(&app, &caller, &slug, &name, &page.try_into()?).await?;
    Ok(Answer(versions.into()))
}

/// Shows a version of a tool with its source
#[utoipa::path(get, path = "/servers/{slug}/tools/{name}/versions/{version_id}", tag = "tools", security(("api_key" = [])),
    params(VersionPath), responses((status = 200, description = "The version", body = VersionSource)))]
pub(crate) async fn get_version(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(VersionPath { slug, name, version_id }): Path<VersionPath>,
) -> Result<Answer<VersionSource>, ApiError> {
    let versions::VersionSource { version, source } = versions::load(&app, &caller, &slug, &name, version_id).await?;
    Ok(Answer(VersionSource { version: version.into(), source }))
}
