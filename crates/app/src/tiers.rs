//! Tiers: the limits that customers are held to, each a row of the database (TIER-1).

use std::sync::Arc;

use domain::{CustomerId, Limits, Tier, TierName};
use serde_json::{Map, Value, json};

use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    audit::About,
};

/// Every tier, by name. There are few of them: no pages.
pub async fn list(app: &App, caller: &Caller) -> Result<Vec<Tier>, AppError> {
    access::require(caller, Operation::ListTiers)?;
    Ok(store::tiers::list(&mut *app.pool.acquire().await?).await?)
}

/// One tier.
pub async fn load(app: &App, caller: &Caller, name: &TierName) -> Result<Tier, AppError> {
    access::require(caller, Operation::LoadTier)?;
    let found = store::tiers::find(&mut *app.pool.acquire().await?, name).await?;
    found.ok_or_else(|| AppError::not_found("tier", name))
}

/// Sets the limits of a tier, which is made if it is not there. They count on the next call on this node, and within a second
/// on others (TIER-3). A promise that no node can keep is refused.
pub async fn put(app: &App, caller: &Caller, name: TierName, limits: Limits) -> Result<Tier, AppError> {
    let intent = access::require_change(caller, Operation::PutTier)?;
    check(&limits)?;
    let tier = Tier { name, limits };
    let mut deed = intent.begin(app).await?;
    let before = store::tiers::lock(&mut deed, &tier.name).await?;
    store::tiers::upsert(&mut deed, &tier).await?;
    let changed = differences(before.as_ref().map(|before| &before.limits), &tier.limits)?;
    deed.commit(About::a("tier").named(&tier.name).detail("limits", changed)).await?;
    app.memory.tiers.drop_one(&tier.name);
    Ok(tier)
}

/// The limits that are other than `before`, each with what it was and what it is.
fn differences(before: Option<&Limits>, now: &Limits) -> Result<Map<String, Value>, AppError> {
    let fields = |limits: &Limits| match serde_json::to_value(limits) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(AppError::internal("the limits of a tier are no object", other.to_string())),
        Err(error) => Err(AppError::internal("the limits of a tier cannot be written", error)),
    };
    let before = before.map(fields).transpose()?.unwrap_or_default();
    let changed = fields(now)?.into_iter().filter(|(name, value)| before.get(name) != Some(value));
    Ok(changed.map(|(name, value)| (name.clone(), json!([before.get(&name), value]))).collect())
}

fn check(limits: &Limits) -> Result<(), AppError> {
    let given = limits.memory_bytes_max;
    if given > sandbox::MEMORY_BYTES_MAX as u64 {
        return Err(AppError::invalid(format!(
            "`memory_bytes_max` is {given}: the sandbox can give a call {} bytes at most",
            sandbox::MEMORY_BYTES_MAX
        )));
    }
    Ok(())
}

/// The tier that `customer` has now, from memory if it is there: every limit is read through this (TIER-1).
pub(crate) async fn of_customer(app: &App, customer: CustomerId) -> Result<Arc<Tier>, AppError> {
    let read_name = || async {
        let found = store::customers::find(&mut *app.pool.acquire().await?, customer).await?;
        found.map(|customer| customer.tier).ok_or_else(|| AppError::not_found("customer", customer))
    };
    let name = app.memory.customer_tiers.get(&customer, read_name).await?;
    let read_tier = || async {
        let found = store::tiers::find(&mut *app.pool.acquire().await?, &name).await?;
        found.map(Arc::new).ok_or_else(|| AppError::not_found("tier", &name))
    };
    app.memory.tiers.get(&name, read_tier).await
}
