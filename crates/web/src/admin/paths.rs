//! What the paths of `/admin/v1` carry.

use domain::{ApiKeyId, CustomerId, HostPattern, TierName, UserId};
use serde::Deserialize;
use utoipa::IntoParams;

/// The path of a customer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CustomerPath {
    /// The customer.
    #[param(value_type = String, format = Uuid)]
    pub(crate) customer_id: CustomerId,
}

/// The path of a customer's API key.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ApiKeyPath {
    /// The customer.
    #[param(value_type = String, format = Uuid)]
    pub(crate) customer_id: CustomerId,
    /// One of its keys.
    #[param(value_type = String, format = Uuid)]
    pub(crate) api_key_id: ApiKeyId,
}

/// The path of a person.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// The person.
    #[param(value_type = String, format = Uuid)]
    pub(crate) user_id: UserId,
}

/// The path of a tier.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TierPath {
    /// The tier.
    #[param(value_type = String, pattern = "^[a-z][a-z0-9_-]{0,31}$", example = "free")]
    pub(crate) tier: TierName,
}

/// The path of a host's breaker.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct BreakerPath {
    /// The host, in lower case and without a port.
    #[param(value_type = String, max_length = 253, example = "api.example.com")]
    pub(crate) host: HostPattern,
}
