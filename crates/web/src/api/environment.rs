//! Environment values and secrets of a server.

use std::sync::Arc;

use app::{
    App, AppError,
    environment::{self, Kept, NewEnvValue},
};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{EnvName, HostPattern};
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use utoipa::ToSchema;

use super::paths::{EnvPath, ServerPath};
use crate::{
    caller::CustomerCaller,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// What a name is set to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEnvironmentValue {
    /// The value: 8192 characters at most (of a secret, 1 at least), without control characters other than tab and line feed.
    #[serde(deserialize_with = "hidden_text")]
    #[schema(value_type = String, max_length = 8192, example = "metric")]
    value: SecretString,
    /// Whether it must never be shown again. A secret is kept sealed; tools use it without holding it.
    #[serde(default)]
    #[schema(required = false)]
    secret: bool,
    /// Of a secret: the only hosts that may receive it, whatever a tool is granted. Without any, those that the tools' grants name.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false, max_items = 16, example = json!(["api.example.com"]))]
    hosts: Vec<HostPattern>,
}

/// A name of the environment and what is under it.
#[derive(Serialize, ToSchema)]
#[schema(as = EnvironmentValue)]
pub(crate) struct EnvView {
    /// Its name.
    #[schema(value_type = String, example = "UNITS")]
    name: EnvName,
    /// The value; absent on a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "metric")]
    value: Option<String>,
    /// Whether it is a secret.
    secret: bool,
    /// Of a secret that is bound to hosts: the only ones that may receive it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, required = false, example = json!(["api.example.com"]))]
    hosts: Vec<HostPattern>,
    /// When it was last set.
    updated_at: DateTime<Utc>,
}

impl From<environment::EnvView> for EnvView {
    fn from(environment::EnvView { name, kept, updated_at }: environment::EnvView) -> Self {
        let (value, secret, hosts) = match kept {
            Kept::Plain(value) => (Some(value.into()), false, Vec::new()),
            Kept::Secret { hosts } => (None, true, hosts),
        };
        Self { name, value, secret, hosts, updated_at }
    }
}

impl TryFrom<NewEnvironmentValue> for NewEnvValue {
    type Error = AppError;

    fn try_from(NewEnvironmentValue { value, secret, hosts }: NewEnvironmentValue) -> Result<Self, AppError> {
        let invalid = |message: String| AppError::Invalid { message, details: Value::Null };
        if secret {
            return Ok(Self::Secret { value, hosts });
        }
        if !hosts.is_empty() {
            return Err(invalid("`hosts` is for secrets: leave it out, or put the value with `secret` true".to_owned()));
        }
        value
            .expose_secret()
            .parse()
            .map(Self::Plain)
            .map_err(|error: domain::NameError| invalid(format!("`value` in the body is not right: {error}")))
    }
}

/// A text that no error repeats: what is wrong with a secret is told without it.
fn hidden_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(SecretString::from(text)),
        _ => Err(D::Error::custom("it must be a string")),
    }
}

/// Sets an environment value or a secret
///
/// The tools of the server that were granted its name use it from their next call on. A value is read by `ctx.env`; a secret is used by
/// `ctx.secret`, `ctx.basicAuth` and `ctx.hmac`, goes to granted hosts only, and is never shown again.
#[utoipa::path(put, path = "/servers/{slug}/env/{name}", tag = "environment", security(("api_key" = [])), params(EnvPath),
    request_body = NewEnvironmentValue, responses((status = 200, description = "The value as it is now", body = EnvView)))]
pub(crate) async fn put_environment_value(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(EnvPath { slug, name }): Path<EnvPath>,
    Json(new): Json<NewEnvironmentValue>,
) -> Result<Answer<EnvView>, ApiError> {
    let set = environment::put(&app, &caller, &slug, name, new.try_into()?).await?;
    Ok(Answer(set.into()))
}

/// Lists the environment of a server by name
///
/// Of secrets, it tells that they are there.
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

/// Shows an environment value, or that a secret is there
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

/// Deletes an environment value or a secret
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
