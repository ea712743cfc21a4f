//! Tiers.

use std::sync::Arc;

use app::{App, tiers};
use axum::{Json as Answer, extract::State};
use domain::{Tier, TierName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{limits::TierLimits, paths::TierPath};
use crate::{
    caller::AdminCaller,
    error::ApiError,
    extract::{Json, Path},
    page::Page,
};

/// What a tier is set to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTier {
    /// All of its limits.
    limits: TierLimits,
}

/// A tier.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tier)]
pub(crate) struct TierView {
    /// Its name.
    #[schema(value_type = String, example = "free")]
    name: TierName,
    /// What its customers may use.
    limits: TierLimits,
}

impl From<Tier> for TierView {
    fn from(Tier { name, limits }: Tier) -> Self {
        Self { name, limits: limits.into() }
    }
}

/// Lists the tiers by name
///
/// There are few of them: they are always one page.
#[utoipa::path(get, path = "/tiers", tag = "tiers", security(("admin_key" = [])),
    responses((status = 200, description = "All tiers", body = Page<TierView>)))]
pub(crate) async fn list_tiers(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
) -> Result<Answer<Page<TierView>>, ApiError> {
    let tiers = tiers::list(&app, &caller).await?;
    Ok(Answer(Page::whole(tiers.into_iter().map(TierView::from).collect())))
}

/// Shows a tier
#[utoipa::path(get, path = "/tiers/{tier}", tag = "tiers", security(("admin_key" = [])), params(TierPath),
    responses((status = 200, description = "The tier", body = TierView)))]
pub(crate) async fn get_tier(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(TierPath { tier }): Path<TierPath>,
) -> Result<Answer<TierView>, ApiError> {
    let tier = tiers::load(&app, &caller, &tier).await?;
    Ok(Answer(tier.into()))
}

/// Sets the limits of a tier
///
/// A tier that is not there is made. The limits count on the next call on this node, and within a second on others.
#[utoipa::path(put, path = "/tiers/{tier}", tag = "tiers", security(("admin_key" = [])), params(TierPath), request_body = NewTier,
    responses((status = 200, description = "The tier as it is now", body = TierView)))]
pub(crate) async fn put_tier(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(TierPath { tier }): Path<TierPath>,
    Json(NewTier { limits }): Json<NewTier>,
) -> Result<Answer<TierView>, ApiError> {
    let tier = tiers::put(&app, &caller, tier, limits.into()).await?;
    Ok(Answer(tier.into()))
}
