//! Clients that describe themselves (draft-ietf-oauth-client-id-metadata-document): their `client_id` is the address of a document, which is
//! fetched when somebody is asked to let them in, and believed for as long as its host says, within bounds.
//!
//! Anybody can name any address, so a fetch reaches nothing that a tool could not reach, and is small, short and rare; what comes is checked
//! before it is kept, and neither an error nor a document that is not right is kept at all (section 5.2 of the draft).

mod fetching;
mod flights;
mod freshness;
mod keys;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use oauth::{ClientDocument, DocumentUrl};
use tokio::sync::Semaphore;

pub(crate) use self::keys::fetch_keys;
use self::{
    fetching::{Answer, Validator},
    flights::Flights,
    keys::KeySets,
};
use crate::{
    App,
    limits::{RateExceeded, Rates},
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
    #[error("the client's metadata document is asked for too often; try again in {retry_after_s} s")]
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
    /// By host: many addresses may lead there.
    rates: Rates<String>,
    places: Semaphore,
    keys: KeySets,
}

/// A document, and how long it is believed.
#[derive(Debug)]
struct Kept {
    document: Arc<ClientDocument>,
    fresh_until: DateTime<Utc>,
    /// With which its host is asked whether it is still so.
    validator: Option<Validator>,
}

impl ClientDocuments {
    /// Each has 5 KB at most, and about as much again once it is read.
    const KEPT_MAX: u64 = 2_000;
    /// A document that was not asked for is forgotten.
    const IDLE_MAX: Duration = Duration::from_hours(48);
    /// Fetches from one host in a minute: a host serves a handful of clients, and each is kept for a minute at least.
    const PER_HOST_AND_MINUTE_MAX: u32 = 30;
    /// Fetches at one time, of all hosts; more are refused at once, since each may last seconds.
    const FETCHES_MAX: usize = 128;

    pub(crate) fn new() -> Self {
        Self {
            kept: Cache::builder().max_capacity(Self::KEPT_MAX).time_to_idle(Self::IDLE_MAX).build(),
            flights: Flights::new(),
            rates: Rates::per(Duration::from_mins(1)),
            places: Semaphore::new(Self::FETCHES_MAX),
            keys: KeySets::new(),
        }
    }
}

/// The document at `url`: one that is still believed, or what its host answers now. Five seconds at most.
pub async fn fetch(app: &App, url: &DocumentUrl) -> Result<Arc<ClientDocument>, ClientDocumentError> {
    let kept = app.client_documents.kept.get(url);
    if let Some(fresh) = kept.as_ref().filter(|kept| app.clock.now() < kept.fresh_until) {
        return Ok(Arc::clone(&fresh.document));
    }
    app.client_documents.flights.join(url, fetch_and_keep(app, url, kept)).await
}

async fn fetch_and_keep(
    app: &App,
    url: &DocumentUrl,
    stale: Option<Arc<Kept>>,
) -> Result<Arc<ClientDocument>, ClientDocumentError> {
    let ClientDocuments { kept, rates, places, .. } = &app.client_documents;
    let busy = |RateExceeded { retry_after_s }| ClientDocumentError::Busy { retry_after_s };
    rates.take(url.host(), ClientDocuments::PER_HOST_AND_MINUTE_MAX).map_err(busy)?;
    let _place = places.try_acquire().map_err(|_| ClientDocumentError::Busy { retry_after_s: 1 })?;
    let known = stale.as_ref().and_then(|stale| stale.validator.as_ref());
    let fetched = fetching::fetch(app, url, known).await;
    let now = app.clock.now();
    let (document, validator, lifetime) = match (fetched, stale) {
        (Ok(Answer::Document { text, validator, lifetime }), _) => {
            let document = ClientDocument::parse(url, &text).map_err(|error| ClientDocumentError::Invalid(error.to_string()))?;
            (Arc::new(document), validator, lifetime)
        }
        (Ok(Answer::Unchanged { lifetime }), Some(stale)) => (Arc::clone(&stale.document), stale.validator.clone(), lifetime),
        // Nobody asked whether it is unchanged.
        (Ok(Answer::Unchanged { .. }), None) => return Err(ClientDocumentError::Status(304)),
        (Err(error), _) => return Err(error),
    };
    kept.insert(url.clone(), Arc::new(Kept { document: Arc::clone(&document), fresh_until: now + lifetime, validator }));
    Ok(document)
}
