//! The audit log of the installation.

use std::sync::Arc;

use app::{App, PageRequest, audit};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::CustomerId;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    audit::{AuditQuery, EntryView},
    caller::AdminCaller,
    error::ApiError,
    extract::Query,
    page::{Page, whole_number},
};

/// Which entries are wanted: those that match all of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminAuditQuery {
    /// About things of this customer.
    #[param(value_type = Option<String>, format = Uuid)]
    customer_id: Option<CustomerId>,
    /// Of this operation, such as `set_tier`.
    operation: Option<String>,
    /// By whom: the id of an API key, a user or an authorization, or a kind of actor, such as `admin` or `anyone`.
    actor: Option<String>,
    /// About what: its id, or its name, such as `weather/forecast`.
    thing: Option<String>,
    /// Made at this moment or later.
    since: Option<DateTime<Utc>>,
    /// Made before this moment.
    until: Option<DateTime<Utc>>,
    /// The `next_cursor` of an earlier page; without one, the first page.
    cursor: Option<String>,
    /// Items of the page, 50 if nothing is said.
    #[serde(default, deserialize_with = "whole_number")]
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Lists what was changed, by whom and from where, newest first
#[utoipa::path(get, path = "/audit", tag = "audit", security(("admin_key" = [])), params(AdminAuditQuery),
    responses((status = 200, description = "A page of entries", body = Page<EntryView>)))]
pub(crate) async fn list_audit(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Query(query): Query<AdminAuditQuery>,
) -> Result<Answer<Page<EntryView>>, ApiError> {
    let AdminAuditQuery { customer_id, operation, actor, thing, since, until, cursor, limit } = query;
    let query = AuditQuery { operation, actor, thing, since, until, cursor, limit };
    let filter = audit::AuditFilter { customer: customer_id, ..query.filter()? };
    let entries = audit::list(&app, &caller, filter, &PageRequest::new(query.cursor, query.limit)?).await?;
    Ok(Answer(entries.into()))
}
