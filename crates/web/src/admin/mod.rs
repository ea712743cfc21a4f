//! `/admin/v1`: what whoever runs the installation may do. Every operation needs the admin key.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod breakers;
pub(crate) mod customers;
pub(crate) mod limits;
mod paths;
pub(crate) mod tiers;
pub(crate) mod users;
