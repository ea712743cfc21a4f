//! Limits over time and over calls: how often, how many a month, how many at once.
//!
//! All counts are of one node. What is counted together (a network, a customer, a caller) and by what (a [`Rate`]) stands in the key of one
//! table, and each count is one number, so that a store that nodes share could keep them in the place of `rates::Rates`.

mod arrivals;
mod debts;
mod lists;
mod outage;
mod permits;
mod policy;
mod quotas;
mod rates;
mod requests;
mod settings;

pub(crate) use self::{
    arrivals::Arrivals,
    lists::Lists,
    outage::Outage,
    permits::{Permit, PermitError, Permits},
    quotas::{QuotaError, Quotas},
    rates::{RateExceeded, Rates},
    requests::{Requests, admit_call, admit_try},
};
pub use self::{
    arrivals::{Arrival, arrive, count_failure},
    policy::{Counted, Rate, RatePolicy, Standing, TooMany},
    requests::{Request, admit_request},
    settings::LimitSettings,
};
