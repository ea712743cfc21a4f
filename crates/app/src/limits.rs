//! Limits over time and over calls: how often, how many a month, how many at once.

mod permits;
mod quotas;
mod rates;

pub(crate) use permits::{Permit, Permits};
pub(crate) use quotas::{QuotaError, Quotas};
pub(crate) use rates::{RateExceeded, Rates};
