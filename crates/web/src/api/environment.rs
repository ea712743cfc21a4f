//! Environment values of a server.

use std::sync::Arc;

use app::{
    App,
    environment::{self, NewEnvValue, Secrecy},
};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{EnvName, EnvValue};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paths::{EnvPath, ServerPath};
use crate::{
    caller::CustomerCaller,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// What a value is set to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEnvironmentValue {
    /// The value: 8192 characters at most, without control characters other than tab and line feed.
    #[schema(value_type = String, max_length = 8192, example = "metric")]
    value: EnvValue,
    /// Whether it must never be shown again. Not available yet: `true` answers 422.
    #[serde(default)]
    #[schema(required = false)]
    secret: bool,
}

/// An environment value.
#[derive(Serialize, ToSchema)]
#[schema(as = EnvironmentValue)]
pub(crate) struct EnvView {
    /// Its name.
    #[schema(value_type = String, example = "UNITS")]
    name: EnvName,
    /// The value.
    #[schema(value_type = String, example = "metric")]
    value: EnvValue,
    /// Whether it is a secret.
    secret: bool,
    /// When it was last set.
    updated_at: DateTime<Utc>,
}

impl From<environment::EnvView> for EnvView {
    fn from(environment::EnvView { name, value, updated_at }: environment::EnvView) -> Self {
        Self { name, value, secret: false, updated_at }
    }
}

/// Sets an environment value
///
/// The tools of the server that were granted its name read it from their next call on.
#[utoipa::path(put, path = "/servers/{slug}/env/{name}", tag = "environment", security(("api_key" = [])), params(EnvPath),
    request_body = NewEnvironmentValue, responses((status = 200, description = "The value as it is now", body = EnvView)))]
pub(crate) async fn put_environment_value(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(EnvPath { slug, name }): Path<EnvPath>,
    Json(NewEnvironmentValue { value, secret }): Json<NewEnvironmentValue>,
) -> Result<Answer<EnvView>, ApiError> {
    let secret = if secret { Secrecy::Secret } else { Secrecy::Plain };
    let set = environment::put(&app, &caller, &slug, name, NewEnvValue { value, secret }).await?;
    Ok(Answer(set.into()))
}

/// Lists the environment values of a server by name
#[utoipa::path(get, path = "/servers/{slug}/env", tag = "environment", security(("api_key" = [])), params(ServerPath, PageQuery),
    responses((status = 200, description = "A page of values", body = Page<EnvView>)))]
pub(crate) async fn list_environment(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<EnvView>>, ApiError> {
    let values = environment::list(&app, &caller, &slug, &page.try_into()?).await?;
    Ok(Answer(values.into()))
}

/// Shows an environment value
#[utoipa::path(get, path = "/servers/{slug}/env/{name}", tag = "environment", security(("api_key" = [])), params(EnvPath),
    responses((status = 200, description = "The value", body = EnvView)))]
pub(crate) async fn get_environment_value(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(EnvPath { slug, name }): Path<EnvPath>,
) -> Result<Answer<EnvView>, ApiError> {
    let value = environment::load(&app, &caller, &slug, &name).await?;
    Ok(Answer(value.into()))
}

/// Deletes an environment value
#[utoipa::path(delete, path = "/servers/{slug}/env/{name}", tag = "environment", security(("api_key" = [])), params(EnvPath),
    responses((status = 204, description = "The value is gone")))]
pub(crate) async fn delete_environment_value(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(EnvPath { slug, name }): Path<EnvPath>,
) -> Result<StatusCode, ApiError> {
    environment::delete(&app, &caller, &slug, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
