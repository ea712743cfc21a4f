//! Customers.

use std::sync::Arc;

use app::{App, customers};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{CustomerId, CustomerName, TierName};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paths::CustomerPath;
use crate::{
    caller::AdminCaller,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// A customer that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCustomer {
    /// What it is called; names need not be unique.
    #[schema(value_type = String, min_length = 1, max_length = 120, example = "Example Ltd")]
    name: CustomerName,
    /// Its tier, which must exist.
    #[schema(value_type = String, example = "free")]
    tier: TierName,
}

/// What changes of a customer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomerChange {
    /// Its tier from now on, which must exist.
    #[schema(value_type = String, example = "pro")]
    tier: TierName,
}

/// A customer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Customer)]
pub(crate) struct CustomerView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    customer_id: CustomerId,
    /// What it is called.
    #[schema(value_type = String, example = "Example Ltd")]
    name: CustomerName,
    /// Its tier.
    #[schema(value_type = String, example = "free")]
    tier: TierName,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<customers::CustomerView> for CustomerView {
    fn from(view: customers::CustomerView) -> Self {
        let customers::CustomerView { customer_id, name, tier, created_at } = view;
        Self { customer_id, name, tier, created_at }
    }
}

/// Makes a customer
#[utoipa::path(post, path = "/customers", tag = "customers", security(("admin_key" = [])), request_body = NewCustomer,
    responses((status = 201, description = "The customer", body = CustomerView)))]
pub(crate) async fn create_customer(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Json(NewCustomer { name, tier }): Json<NewCustomer>,
) -> Result<(StatusCode, Answer<CustomerView>), ApiError> {
    let customer = customers::create(&app, &caller, customers::NewCustomer { name, tier }).await?;
    Ok((StatusCode::CREATED, Answer(customer.into())))
}

/// Lists the customers, newest first
#[utoipa::path(get, path = "/customers", tag = "customers", security(("admin_key" = [])), params(PageQuery),
    responses((status = 200, description = "A page of customers", body = Page<CustomerView>)))]
pub(crate) async fn list_customers(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<CustomerView>>, ApiError> {
    let customers = customers::list(&app, &caller, &page.try_into()?).await?;
    Ok(Answer(customers.into()))
}

/// Shows a customer
#[utoipa::path(get, path = "/customers/{customer_id}", tag = "customers", security(("admin_key" = [])), params(CustomerPath),
    responses((status = 200, description = "The customer", body = CustomerView)))]
pub(crate) async fn get_customer(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(CustomerPath { customer_id }): Path<CustomerPath>,
) -> Result<Answer<CustomerView>, ApiError> {
    let customer = customers::load(&app, &caller, customer_id).await?;
    Ok(Answer(customer.into()))
}

/// Moves a customer to another tier
///
/// The new limits count on the next call on this node, and within a second on others.
#[utoipa::path(patch, path = "/customers/{customer_id}", tag = "customers", security(("admin_key" = [])), params(CustomerPath),
    request_body = CustomerChange, responses((status = 200, description = "The customer as it is now", body = CustomerView)))]
pub(crate) async fn change_customer(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(CustomerPath { customer_id }): Path<CustomerPath>,
    Json(CustomerChange { tier }): Json<CustomerChange>,
) -> Result<Answer<CustomerView>, ApiError> {
    let customer = customers::set_tier(&app, &caller, customer_id, tier).await?;
    Ok(Answer(customer.into()))
}
