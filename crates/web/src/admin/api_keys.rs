//! API keys of a customer.

use std::sync::Arc;

use app::{App, api_keys};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{ApiKeyId, ApiKeyName, CustomerId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paths::{ApiKeyPath, CustomerPath};
use crate::{
    caller::AdminCaller,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// An API key that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKey {
    /// What it is called, for whoever reads the list later.
    #[schema(value_type = String, min_length = 1, max_length = 120, example = "laptop")]
    name: ApiKeyName,
    /// Whether each definition is held against what was read first through this key: a tool that says something else later is not called
    /// through it before that was accepted (`/api/v1/servers/{slug}/pins`).
    #[serde(default)]
    #[schema(required = false)]
    pins_definitions: bool,
}

/// What is to change of an API key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyChange {
    /// Whether each definition is held against what was read first through this key.
    pins_definitions: bool,
}

/// An API key, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    api_key_id: ApiKeyId,
    /// Whose key it is.
    #[schema(value_type = String, format = Uuid)]
    customer_id: CustomerId,
    /// What it is called.
    #[schema(value_type = String, example = "laptop")]
    name: ApiKeyName,
    /// Whether each definition is held against what was read first through this key.
    pins_definitions: bool,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// An API key with its text, in the one answer that shows it.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedApiKey {
    /// The key itself, which the customer's programs send as `Authorization: Bearer <api_key>`. It is not kept and never shown again.
    #[schema(example = "tw_5hVQ2mJ0u8xT3n7cKqWzR1yE9aLdFgPbXoSiNvUtMkA")]
    api_key: String,
    #[serde(flatten)]
    view: ApiKeyView,
}

impl From<api_keys::ApiKeyView> for ApiKeyView {
    fn from(view: api_keys::ApiKeyView) -> Self {
        let api_keys::ApiKeyView { api_key_id, customer_id, name, pins_definitions, created_at } = view;
        Self { api_key_id, customer_id, name, pins_definitions, created_at }
    }
}

/// Makes an API key for a customer
///
/// The answer is the only place that shows the key.
#[utoipa::path(post, path = "/customers/{customer_id}/api-keys", tag = "api keys", security(("admin_key" = [])),
    params(CustomerPath), request_body = NewApiKey, responses((status = 201, description = "The key", body = CreatedApiKey)))]
pub(crate) async fn create_api_key(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(CustomerPath { customer_id }): Path<CustomerPath>,
    Json(NewApiKey { name, pins_definitions }): Json<NewApiKey>,
) -> Result<(StatusCode, Answer<CreatedApiKey>), ApiError> {
    let (view, text) = api_keys::create(&app, &caller, customer_id, api_keys::NewApiKey { name, pins_definitions }).await?;
    Ok((StatusCode::CREATED, Answer(CreatedApiKey { api_key: text.expose().to_owned(), view: view.into() })))
}

/// Lists the API keys of a customer, newest first
#[utoipa::path(get, path = "/customers/{customer_id}/api-keys", tag = "api keys", security(("admin_key" = [])),
    params(CustomerPath, PageQuery), responses((status = 200, description = "A page of keys", body = Page<ApiKeyView>)))]
pub(crate) async fn list_api_keys(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(CustomerPath { customer_id }): Path<CustomerPath>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<ApiKeyView>>, ApiError> {
    let keys = api_keys::list(&app, &caller, customer_id, &page.try_into()?).await?;
    Ok(Answer(keys.into()))
}

/// Shows an API key, without its text
#[utoipa::path(get, path = "/customers/{customer_id}/api-keys/{api_key_id}", tag = "api keys", security(("admin_key" = [])),
    params(ApiKeyPath), responses((status = 200, description = "The key", body = ApiKeyView)))]
pub(crate) async fn get_api_key(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(ApiKeyPath { customer_id, api_key_id }): Path<ApiKeyPath>,
) -> Result<Answer<ApiKeyView>, ApiError> {
    let key = api_keys::load(&app, &caller, customer_id, api_key_id).await?;
    Ok(Answer(key.into()))
}

/// Changes an API key
///
/// It counts on this node from then on, and within a second on others.
#[utoipa::path(patch, path = "/customers/{customer_id}/api-keys/{api_key_id}", tag = "api keys", security(("admin_key" = [])),
    params(ApiKeyPath), request_body = ApiKeyChange, responses((status = 200, description = "The key", body = ApiKeyView)))]
pub(crate) async fn change_api_key(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(ApiKeyPath { customer_id, api_key_id }): Path<ApiKeyPath>,
    Json(ApiKeyChange { pins_definitions }): Json<ApiKeyChange>,
) -> Result<Answer<ApiKeyView>, ApiError> {
    let change = api_keys::ApiKeyChange { id: api_key_id, pins_definitions };
    let key = api_keys::change(&app, &caller, customer_id, change).await?;
    Ok(Answer(key.into()))
}

/// Deletes an API key
///
/// It opens nothing on this node from then on, and within a second on others.
#[utoipa::path(delete, path = "/customers/{customer_id}/api-keys/{api_key_id}", tag = "api keys", security(("admin_key" = [])),
    params(ApiKeyPath), responses((status = 204, description = "The key is gone")))]
pub(crate) async fn delete_api_key(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(ApiKeyPath { customer_id, api_key_id }): Path<ApiKeyPath>,
) -> Result<StatusCode, ApiError> {
    api_keys::delete(&app, &caller, customer_id, api_key_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
