//! Reading the audit log.

use store::audit::{ActorKind, Entry, EntryFilter};

use super::{AuditFilter, operations};
use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
};

/// The entries that match, newest first.
pub async fn list(app: &App, caller: &Caller, filter: AuditFilter, page: &PageRequest) -> Result<Page<Entry>, AppError> {
    access::require(caller, Operation::ListAudit)?;
    load_page(app, filter, page).await
}

/// The entries about the caller's customer that match, newest first. From where the operator of the installation did something is not told.
pub async fn list_own(app: &App, caller: &Caller, filter: AuditFilter, page: &PageRequest) -> Result<Page<Entry>, AppError> {
    let customer = access::require_customer(caller, Operation::ListOwnAudit)?;
    let _place = app.lists.enter(customer).await?;
    let found = load_page(app, EntryFilter { customer: Some(customer), ..filter }, page).await?;
    Ok(found.map(|entry| match entry.actor.kind {
        ActorKind::Admin | ActorKind::Program => Entry { request: None, address: None, ..entry },
        _ => entry,
    }))
}

async fn load_page(app: &App, filter: EntryFilter, page: &PageRequest) -> Result<Page<Entry>, AppError> {
    if let Some(operation) = filter.operation.as_ref().filter(|asked| !operations().contains(asked)) {
        let known = operations().join(", ");
        return Err(AppError::invalid(format!("there is no operation `{}`; there are {known}", operation.escape_debug())));
    }
    let found = store::audit::list(&mut *app.pool.acquire().await?, &filter, page.after()?, page.fetch_max()).await?;
    Ok(page.page(found, |entry| entry.id))
}
