//! Customers: who owns servers, keys and calls.

use chrono::{DateTime, Utc};
use domain::{CustomerId, CustomerName, TierName};
use store::customers::Customer;

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    audit::About,
};

/// A customer that is to be.
#[derive(Debug, Clone)]
pub struct NewCustomer {
    /// What it is called; names need not be unique.
    pub name: CustomerName,
    /// Its tier, which must exist.
    pub tier: TierName,
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerView {
    /// Its id.
    pub customer_id: CustomerId,
    /// What it is called.
    pub name: CustomerName,
    /// Its tier.
    pub tier: TierName,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Makes a customer.
pub async fn create(app: &App, caller: &Caller, new: NewCustomer) -> Result<CustomerView, AppError> {
    let intent = access::require_change(caller, Operation::CreateCustomer)?;
    let customer = Customer { id: CustomerId::new(), name: new.name, tier: new.tier, created_at: app.clock.now() };
    let mut deed = intent.of(customer.id).begin(app).await?;
    store::customers::insert(&mut deed, &customer).await?;
    deed.commit(about(&customer).detail("tier", customer.tier.as_str())).await?;
    Ok(customer.into())
}

/// The customers, newest first.
pub async fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<CustomerView>, AppError> {
    access::require(caller, Operation::ListCustomers)?;
    let found = store::customers::list(&mut *app.pool.acquire().await?, page.after()?, page.fetch_max()).await?;
    Ok(page.page(found, |customer| customer.id).map(CustomerView::from))
}

/// One customer.
pub async fn load(app: &App, caller: &Caller, customer: CustomerId) -> Result<CustomerView, AppError> {
    access::require(caller, Operation::LoadCustomer)?;
    let found = store::customers::find(&mut *app.pool.acquire().await?, customer).await?;
    found.map(CustomerView::from).ok_or_else(|| AppError::not_found("customer", customer))
}

/// Moves a customer to another tier. It counts on the next call on this node, and within a second on others (TIER-3).
pub async fn set_tier(app: &App, caller: &Caller, customer: CustomerId, tier: TierName) -> Result<CustomerView, AppError> {
    let intent = access::require_change(caller, Operation::SetTier)?;
    let mut deed = intent.of(customer).begin(app).await?;
    let missing = || AppError::not_found("customer", customer);
    let before = store::customers::lock(&mut deed, customer).await?.ok_or_else(missing)?;
    let found = store::customers::set_tier(&mut deed, customer, &tier).await?.ok_or_else(missing)?;
    deed.commit(about(&found).detail("before", before.tier.as_str()).detail("tier", tier.as_str())).await?;
    app.memory.customer_tiers.drop_one(&customer);
    Ok(found.into())
}

fn about(customer: &Customer) -> About {
    About::a("customer").id(customer.id.as_uuid()).named(&customer.name)
}

impl From<Customer> for CustomerView {
    fn from(customer: Customer) -> Self {
        Self { customer_id: customer.id, name: customer.name, tier: customer.tier, created_at: customer.created_at }
    }
}
