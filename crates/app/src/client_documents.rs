//! Clients that describe themselves (draft-ietf-oauth-client-id-metadata-document): their `client_id` is the address of a document, which is
//! fetched when somebody is asked to let them in, and believed for as long as its host says, within bounds.
//!
//! Anybody can name any address, so a fetch reaches nothing that a tool could not reach, and is small, short and rare; what comes is checked
//! before it is kept, and neither an error nor a document that is not right is kept at all (section 5.2 of the draft). A host that is away for a
//! while logs nobody out: what it said last is believed for a day more, and what anybody can cause uses up nothing that known clients need.

mod fetching;
mod flights;
mod freshness;
mod keys;

use std::{net::IpAddr, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;
use oauth::{ClientDocument, ClientId, DocumentUrl};
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use self::keys::fetch_keys;
use self::{
    fetching::{Answer, Validator},
    flights::Flights,
    keys::KeySets,
};
use crate::{
    App, AppError,
    limits::{RateExceeded, Rates},
    network::Network,
};

/// Why there is no document. The text of each is for whoever asked, who may be anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientDocumentError {
    /// No such name, a special-use address, no connection, no trust, no HTTP: which, the log says.
    #[error("the client's metadata document cannot be fetched: its host cannot be reached from here")]
    Unreachable,
    /// It was not there in time.
    #[error("the client's metadata document cannot be fetched: its host is too slow")]
    TooSlow,
    /// Something else than 200; redirects are not followed.
    #[error("the client's metadata document cannot be fetched: its host answered {0}, where 200 is needed")]
    Status(u16),
    /// It is not declared as JSON.
    #[error("the client's metadata document is not declared as `application/json`")]
    MediaType,
    /// It is longer than is read.
    #[error("the client's metadata document is longer than {} bytes", ClientDocument::BYTES_MAX)]
    TooLarge,
    /// It breaks a rule.
    #[error("the client's metadata document is not right: {0}")]
    Invalid(String),
    /// Its host was asked too often, or failed too often.
    #[error("the client's metadata document is asked for too often")]
    Busy {
        /// Seconds until it is worth trying again, 1 at least.
        retry_after_s: u32,
    },
}

/// The documents that this node has read.
#[derive(Debug)]
pub(crate) struct ClientDocuments {
    kept: Cache<DocumentUrl, Arc<Kept>>,
    flights: Flights<DocumentUrl, Result<Arc<ClientDocument>, ClientDocumentError>>,
    budgets: Budgets,
    /// Who asks for what was not read.
    askers: Rates<Network>,
    keys: KeySets,
}

/// How many fetches there may be. What anybody can cause is counted apart from what keeps clients working that are known.
#[derive(Debug)]
struct Budgets {
    /// By host: many addresses may lead there.
    rates: Rates<(String, Purpose)>,
    places_unknown: Semaphore,
    places_known: Semaphore,
}

/// What a fetch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    /// A document that this node has not read.
    Unknown,
    /// One that it has.
    Known,
    /// Keys of a client that is known.
    Keys,
}

/// A document, and how long it is believed.
#[derive(Debug, Clone)]
struct Kept {
    document: Arc<ClientDocument>,
    fresh_until: DateTime<Utc>,
    /// Until then it is believed while its host is away.
    ends_at: DateTime<Utc>,
    /// With which its host is asked whether it is still so.
    validator: Option<Validator>,
}

impl ClientDocuments {
    /// Each has 5 KB at most, and about as much again once it is read.
    const KEPT_MAX: u64 = 2_000;
    /// A document that was not asked for is forgotten.
    const IDLE_MAX: Duration = Duration::from_hours(48);
    /// A host that is away for so long logs nobody out.
    const STALE_MAX: TimeDelta = TimeDelta::hours(24);
    /// A host that is away is asked again after this.
    const ASKED_AGAIN_AFTER: TimeDelta = TimeDelta::seconds(30);
    /// Seconds after which it is worth asking for a document again whose host is away: one that restarts is back by then.
    const RETRY_AFTER_S: u32 = 10;
    /// Documents that this node has not read, for one network in a minute.
    const PER_NETWORK_AND_MINUTE_MAX: u32 = 10;
    /// Fetches from one host in a minute, for each purpose: a host serves a handful of clients, and each is kept for a minute at least.
    const PER_HOST_AND_MINUTE_MAX: u32 = 30;
    /// Fetches at one time, of all hosts, of what is known and of what is not; more are refused at once, since each may last seconds.
    const FETCHES_MAX: usize = 128;

    pub(crate) fn new() -> Self {
        Self {
            kept: Cache::builder().max_capacity(Self::KEPT_MAX).time_to_idle(Self::IDLE_MAX).build(),
            flights: Flights::new(),
            budgets: Budgets {
                rates: Rates::per(Duration::from_mins(1)),
                places_unknown: Semaphore::new(Self::FETCHES_MAX),
                places_known: Semaphore::new(Self::FETCHES_MAX),
            },
            askers: Rates::per(Duration::from_mins(1)),
            keys: KeySets::new(),
        }
    }
}

impl Budgets {
    /// A place for a fetch from `host`.
    fn take(&self, host: String, purpose: Purpose) -> Result<SemaphorePermit<'_>, ClientDocumentError> {
        let busy = |RateExceeded { retry_after_s }| ClientDocumentError::Busy { retry_after_s };
        self.rates.take((host, purpose), ClientDocuments::PER_HOST_AND_MINUTE_MAX).map_err(busy)?;
        let places = if purpose == Purpose::Unknown { &self.places_unknown } else { &self.places_known };
        places.try_acquire().map_err(|_| ClientDocumentError::Busy { retry_after_s: 1 })
    }
}

impl ClientDocumentError {
    /// Whether its host, or this node, is only away for now: then the document is still what it was.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable | Self::TooSlow | Self::Busy { .. } | Self::Status(429 | 500..=599))
    }

    /// As what whoever asked is told to come back for; itself, if coming back does not help.
    pub(crate) fn passing(self) -> Result<AppError, Self> {
        let retry_after_s = match self {
            Self::Busy { retry_after_s } => retry_after_s,
            _ if self.is_passing() => ClientDocuments::RETRY_AFTER_S,
            _ => return Err(self),
        };
        Ok(AppError::Later { message: self.to_string(), retry_after_s })
    }
}

/// Counts a client whose document this node has not read against whoever names it, before anybody's host is asked: for doors at which
/// nobody has shown who they are.
pub fn admit(app: &App, id: &ClientId, from: IpAddr) -> Result<(), ClientDocumentError> {
    let ClientDocuments { kept, askers, .. } = &app.client_documents;
    match id {
        ClientId::Document(url) if !kept.contains_key(url) => askers
            .take(Network::of(from), ClientDocuments::PER_NETWORK_AND_MINUTE_MAX)
            .map(drop)
            .map_err(|RateExceeded { retry_after_s }| ClientDocumentError::Busy { retry_after_s }),
        _ => Ok(()),
    }
}

/// The document at `url`: one that is still believed, or what its host answers now. Five seconds at most. While its host is away, the one that was
/// read last is believed for a day.
pub async fn fetch(app: &App, url: &DocumentUrl) -> Result<Arc<ClientDocument>, ClientDocumentError> {
    let kept = app.client_documents.kept.get(url);
    if let Some(fresh) = kept.as_ref().filter(|kept| app.clock.now() < kept.fresh_until) {
        return Ok(Arc::clone(&fresh.document));
    }
    app.client_documents.flights.join(url, fetch_or_keep(app, url, kept)).await
}

async fn fetch_or_keep(
    app: &App,
    url: &DocumentUrl,
    stale: Option<Arc<Kept>>,
) -> Result<Arc<ClientDocument>, ClientDocumentError> {
    let kept = &app.client_documents.kept;
    let error = match read(app, url, stale.as_deref()).await {
        Ok(read) => {
            kept.insert(url.clone(), Arc::new(read.clone()));
            return Ok(read.document);
        }
        Err(error) => error,
    };
    let now = app.clock.now();
    if let Some(stale) = stale.filter(|stale| error.is_passing() && now < stale.ends_at) {
        let fresh_until = now + ClientDocuments::ASKED_AGAIN_AFTER;
        kept.insert(url.clone(), Arc::new(Kept { fresh_until, ..Kept::clone(&stale) }));
        return Ok(Arc::clone(&stale.document));
    }
    // Its host says that it is gone, or something that is not right.
    if !error.is_passing() {
        kept.invalidate(url);
    }
    Err(error)
}

async fn read(app: &App, url: &DocumentUrl, stale: Option<&Kept>) -> Result<Kept, ClientDocumentError> {
    let purpose = if stale.is_some() { Purpose::Known } else { Purpose::Unknown };
    let _place = app.client_documents.budgets.take(url.host(), purpose)?;
    let known = stale.and_then(|stale| stale.validator.as_ref());
    let (document, validator, lifetime) = match (fetching::fetch(app, url, known).await?, stale) {
        (Answer::Document { text, validator, lifetime }, _) => {
            let document = ClientDocument::parse(url, &text).map_err(|error| ClientDocumentError::Invalid(error.to_string()))?;
            (Arc::new(document), validator, lifetime)
        }
        (Answer::Unchanged { lifetime }, Some(stale)) => (Arc::clone(&stale.document), stale.validator.clone(), lifetime),
        // Nobody asked whether it is unchanged.
        (Answer::Unchanged { .. }, None) => return Err(ClientDocumentError::Status(304)),
    };
    let fresh_until = app.clock.now() + lifetime;
    Ok(Kept { document, fresh_until, ends_at: fresh_until + ClientDocuments::STALE_MAX, validator })
}
