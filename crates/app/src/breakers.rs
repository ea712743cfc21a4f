//! Breakers: which hosts this node leaves alone, and what it did outside (RES-1, RES-6). They are the node's that answers, and of this run.

use std::{fmt, str::FromStr};

use domain::{CustomerId, HostPattern};
use egress::Forced;
use uuid::Uuid;

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    audit::About,
};

pub use egress::{BreakerState, Usage};

/// One breaker: of a customer and a host, or what was forced on a host for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerView {
    /// The customer; none for what was forced.
    pub customer_id: Option<CustomerId>,
    /// The host.
    pub host: String,
    /// What it does.
    pub state: BreakerState,
    /// When it tries the host again at the earliest, in milliseconds from now, if it is open.
    pub retry_after_ms: Option<u64>,
    /// Requests that went well.
    pub successes: u64,
    /// Requests that failed by the host's fault.
    pub failures: u64,
    /// Requests that were not tried.
    pub refused: u64,
    /// How long an answer usually takes, in milliseconds; absent before the first.
    pub answer_ms: Option<u64>,
}

/// What an operator says about a host, for all customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// No request goes there.
    Open,
    /// Every request goes there, whatever fails.
    Closed,
    /// Breakers decide, and begin anew.
    Automatic,
}

/// After which breaker a page begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    owner: Option<u128>,
    host: String,
}

/// The breakers of this node, what is forced first, then by customer and host.
pub fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<BreakerView>, AppError> {
    access::require(caller, Operation::ListBreakers)?;
    let after: Option<Place> = page.after()?;
    let is_after = |breaker: &egress::BreakerView| after.as_ref().is_none_or(|after| Place::of(breaker) > *after);
    let most = usize::try_from(page.fetch_max()).unwrap_or(usize::MAX);
    let found: Vec<_> = app.egress.breakers().into_iter().filter(is_after).take(most).collect();
    Ok(page.page(found, Place::of).map(BreakerView::from))
}

/// Says for all customers of this node what becomes of requests to `host`. Refused if more hosts are forced than the node keeps.
pub async fn force(app: &App, caller: &Caller, host: &HostPattern, force: Force) -> Result<(), AppError> {
    let intent = access::require_change(caller, Operation::ForceBreaker)?;
    if host.as_str().starts_with('*') {
        return Err(AppError::invalid("a breaker is of one host: name it without `*.`"));
    }
    let deed = intent.begin(app).await?;
    let before = forced(app, host);
    app.egress.force(host.as_str(), force.into());
    if force != Force::Automatic && forced(app, host) == Force::Automatic {
        let message = "more hosts are forced already than a node keeps: set some of them to `automatic` first";
        return Err(AppError::Conflict { message: message.to_owned() });
    }
    let about = About::a("breaker").named(host).detail("force", force.as_str()).detail("before", before.as_str());
    if let Err(error) = deed.commit(about).await {
        // Nothing is decided that is not written down.
        app.egress.force(host.as_str(), before.into());
        return Err(error);
    }
    tracing::warn!(host = %host, force = ?force, "an operator decided on a breaker");
    Ok(())
}

/// What this node did outside.
pub fn load_egress(app: &App, caller: &Caller) -> Result<Usage, AppError> {
    access::require(caller, Operation::LoadEgress)?;
    Ok(app.egress.usage())
}

/// What is forced on a host at this moment.
fn forced(app: &App, host: &HostPattern) -> Force {
    let of_host = |breaker: &egress::BreakerView| breaker.owner.is_none() && breaker.host == host.as_str();
    match app.egress.breakers().into_iter().find(of_host).map(|breaker| breaker.state) {
        None => Force::Automatic,
        Some(BreakerState::ForcedOpen) => Force::Open,
        Some(_) => Force::Closed,
    }
}

impl Force {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Automatic => "automatic",
        }
    }
}

impl From<egress::BreakerView> for BreakerView {
    fn from(breaker: egress::BreakerView) -> Self {
        let egress::BreakerView { owner, host, state, retry_after_ms, successes, failures, refused, answer_ms } = breaker;
        let customer_id = owner.map(|owner| CustomerId::from_uuid(Uuid::from_u128(owner)));
        Self { customer_id, host, state, retry_after_ms, successes, failures, refused, answer_ms }
    }
}

impl From<Force> for Forced {
    fn from(force: Force) -> Self {
        match force {
            Force::Open => Self::Open,
            Force::Closed => Self::Closed,
            Force::Automatic => Self::Free,
        }
    }
}

impl Place {
    fn of(breaker: &egress::BreakerView) -> Self {
        Self { owner: breaker.owner, host: breaker.host.clone() }
    }
}

/// The customer, or nothing, then a slash, which no host has.
impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner {
            Some(owner) => write!(out, "{}/{}", Uuid::from_u128(owner), self.host),
            None => write!(out, "/{}", self.host),
        }
    }
}

impl FromStr for Place {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        let (owner, host) = text.split_once('/').unwrap_or(("?", text));
        let owner = if owner.is_empty() { None } else { Some(owner.parse::<Uuid>()?.as_u128()) };
        Ok(Self { owner, host: host.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_it_was_written() {
        for owner in [None, Some(7)] {
            let place = Place { owner, host: "a.test".to_owned() };
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert!("a.test".parse::<Place>().is_err());
        assert!(Place { owner: None, host: "z".to_owned() } < Place { owner: Some(0), host: "a".to_owned() });
    }
}
