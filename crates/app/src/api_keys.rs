//! API keys: what a customer's programs show. Only a digest of a key is kept.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use domain::{ApiKeyId, ApiKeyName, CustomerId, Digest};
use store::api_keys::ApiKey;
pub use store::api_keys::ApiKeyChange;

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    audit::About,
    tokens,
};

/// The text of a key: `tw_` and 43 characters of base64url. It is shown once, when the key is made.
#[derive(Clone)]
pub struct ApiKeyText(String);

/// A key that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// What it is called.
    pub name: ApiKeyName,
    /// Whether definitions are held against what was read first through it (SEC-18).
    pub pins_definitions: bool,
}

/// A key, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyView {
    /// Its id.
    pub api_key_id: ApiKeyId,
    /// Whose key it is.
    pub customer_id: CustomerId,
    /// What it is called.
    pub name: ApiKeyName,
    /// Whether definitions are held against what was read first through it (SEC-18).
    pub pins_definitions: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl ApiKeyText {
    /// 256 random bits: nobody guesses one, so that a plain digest of it is enough to keep.
    fn random() -> Result<Self, AppError> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|error| AppError::internal("cannot draw the random bits of an API key", error))?;
        Ok(Self(format!("{}{}", tokens::API_KEY_PREFIX, URL_SAFE_NO_PAD.encode(bits))))
    }

    /// The text itself, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKeyText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ApiKeyText(..)")
    }
}

/// Makes a key for `customer`; its text is given back here and never again.
pub async fn create(
    app: &App,
    caller: &Caller,
    customer: CustomerId,
    new: NewApiKey,
) -> Result<(ApiKeyView, ApiKeyText), AppError> {
    let intent = access::require_change(caller, Operation::CreateApiKey)?;
    let text = ApiKeyText::random()?;
    let NewApiKey { name, pins_definitions } = new;
    let key = ApiKey { id: ApiKeyId::new(), name, pins_definitions, created_at: app.clock.now() };
    let mut deed = intent.of(customer).begin(app).await?;
    if !store::api_keys::insert(&mut deed, customer, &key, &Digest::of(text.expose().as_bytes())).await? {
        return Err(AppError::not_found("customer", customer));
    }
    deed.commit(about(key.id).named(&key.name).detail("pins_definitions", pins_definitions)).await?;
    Ok((view(customer, key), text))
}

/// The keys of `customer`, newest first.
pub async fn list(app: &App, caller: &Caller, customer: CustomerId, page: &PageRequest) -> Result<Page<ApiKeyView>, AppError> {
    access::require(caller, Operation::ListApiKeys)?;
    let mut connection = app.pool.acquire().await?;
    if store::customers::find(&mut connection, customer).await?.is_none() {
        return Err(AppError::not_found("customer", customer));
    }
    let found = store::api_keys::list(&mut connection, customer, page.after()?, page.fetch_max()).await?;
    Ok(page.page(found, |key| key.id).map(|key| view(customer, key)))
}

/// One key of `customer`.
pub async fn load(app: &App, caller: &Caller, customer: CustomerId, key: ApiKeyId) -> Result<ApiKeyView, AppError> {
    access::require(caller, Operation::LoadApiKey)?;
    let found = store::api_keys::find(&mut *app.pool.acquire().await?, customer, key).await?;
    found.map(|key| view(customer, key)).ok_or_else(|| AppError::not_found("API key", key))
}

/// Changes a key of `customer`. Its pins stay, whether or not they are looked at.
pub async fn change(app: &App, caller: &Caller, customer: CustomerId, change: ApiKeyChange) -> Result<ApiKeyView, AppError> {
    let intent = access::require_change(caller, Operation::ChangeApiKey)?;
    let mut deed = intent.of(customer).begin(app).await?;
    let changed = store::api_keys::update(&mut deed, customer, &change).await?;
    let key = changed.ok_or_else(|| AppError::not_found("API key", change.id))?;
    deed.commit(about(key.id).named(&key.name).detail("pins_definitions", key.pins_definitions)).await?;
    app.memory.forget_api_key(change.id);
    Ok(view(customer, key))
}

/// Deletes a key: it opens nothing from then on.
pub async fn delete(app: &App, caller: &Caller, customer: CustomerId, key: ApiKeyId) -> Result<(), AppError> {
    let intent = access::require_change(caller, Operation::DeleteApiKey)?;
    let mut deed = intent.of(customer).begin(app).await?;
    if !store::api_keys::revoke(&mut deed, customer, key, app.clock.now()).await? {
        return Err(AppError::not_found("API key", key));
    }
    deed.commit(about(key)).await?;
    app.memory.forget_api_key(key);
    Ok(())
}

fn about(key: ApiKeyId) -> About {
    About::a("api_key").id(key.as_uuid())
}

fn view(customer: CustomerId, key: ApiKey) -> ApiKeyView {
    ApiKeyView {
        api_key_id: key.id,
        customer_id: customer,
        name: key.name,
        pins_definitions: key.pins_definitions,
        created_at: key.created_at,
    }
}
