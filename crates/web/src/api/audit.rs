//! The audit log of a customer, for its owners.

use std::sync::Arc;

use app::{App, PageRequest, audit};
use axum::{Json as Answer, extract::State};

use crate::{
    audit::{AuditQuery, EntryView},
    caller::CustomerCaller,
    error::ApiError,
    extract::Query,
    page::Page,
};

/// Lists what was changed of your things, by whom and from where, newest first
///
/// For owners. From where the operator of the installation did something is not told.
#[utoipa::path(get, path = "/audit", tag = "audit", security(("api_key" = [])), params(AuditQuery),
    responses((status = 200, description = "A page of entries", body = Page<EntryView>)))]
pub(crate) async fn list_own_audit(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Query(query): Query<AuditQuery>,
) -> Result<Answer<Page<EntryView>>, ApiError> {
    let filter = query.filter()?;
    let entries = audit::list_own(&app, &caller, filter, &PageRequest::new(query.cursor, query.limit)?).await?;
    Ok(Answer(entries.into()))
}
