//! The keys of clients that keep them at an address (`jwks_uri`): fetched as their documents are, and believed as long while their host is away.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;
use oauth::{DocumentUrl, VerificationKeys};
use url::Url;

use super::{
    ClientDocumentError, ClientDocuments, Purpose,
    fetching::{self, Answer},
    flights::Flights,
};
use crate::App;

/// Key sets that this node has read.
#[derive(Debug)]
pub(super) struct KeySets {
    kept: Cache<DocumentUrl, Arc<Kept>>,
    flights: Flights<DocumentUrl, Result<Arc<VerificationKeys>, ClientDocumentError>>,
}

/// A key set, and how long it is believed.
#[derive(Debug)]
struct Kept {
    keys: Arc<VerificationKeys>,
    fresh_until: DateTime<Utc>,
    /// Until then it is believed while its host is away.
    ends_at: DateTime<Utc>,
}

impl KeySets {
    /// Each has 5 KB at most.
    const KEPT_MAX: u64 = 1_000;
    /// A client that takes up another key waits as long at most, and one that withdraws a key, as long as its host answers.
    const FRESH: TimeDelta = TimeDelta::minutes(5);
    /// A set that was not asked for is forgotten.
    const IDLE_MAX: Duration = Duration::from_hours(48);

    pub(super) fn new() -> Self {
        Self { kept: Cache::builder().max_capacity(Self::KEPT_MAX).time_to_idle(Self::IDLE_MAX).build(), flights: Flights::new() }
    }
}

/// The keys at `url`: those read within the last minutes, or what its host answers now; while its host is away, those that were read last, for a day.
/// Bounded as [`super::fetch`] is.
pub(crate) async fn fetch_keys(app: &App, url: &Url) -> Result<Arc<VerificationKeys>, ClientDocumentError> {
    let url = DocumentUrl::parse(url.as_str()).map_err(|error| ClientDocumentError::Invalid(error.to_string()))?;
    let sets = &app.client_documents.keys;
    let kept = sets.kept.get(&url);
    if let Some(fresh) = kept.as_ref().filter(|kept| app.clock.now() < kept.fresh_until) {
        return Ok(Arc::clone(&fresh.keys));
    }
    sets.flights.join(&url, fetch_or_keep(app, &url, kept)).await
}

async fn fetch_or_keep(
    app: &App,
    url: &DocumentUrl,
    stale: Option<Arc<Kept>>,
) -> Result<Arc<VerificationKeys>, ClientDocumentError> {
    let kept = &app.client_documents.keys.kept;
    let error = match read(app, url).await {
        Ok(keys) => {
            let fresh_until = app.clock.now() + KeySets::FRESH;
            let ends_at = fresh_until + ClientDocuments::STALE_MAX;
            kept.insert(url.clone(), Arc::new(Kept { keys: Arc::clone(&keys), fresh_until, ends_at }));
            return Ok(keys);
        }
        Err(error) => error,
    };
    let now = app.clock.now();
    if let Some(stale) = stale.filter(|stale| error.is_passing() && now < stale.ends_at) {
        let (keys, fresh_until) = (Arc::clone(&stale.keys), now + ClientDocuments::ASKED_AGAIN_AFTER);
        kept.insert(url.clone(), Arc::new(Kept { keys: Arc::clone(&keys), fresh_until, ends_at: stale.ends_at }));
        return Ok(keys);
    }
    // Its host says that there are none, or something that is not right.
    if !error.is_passing() {
        kept.invalidate(url);
    }
    Err(error)
}

async fn read(app: &App, url: &DocumentUrl) -> Result<Arc<VerificationKeys>, ClientDocumentError> {
    let _place = app.client_documents.budgets.take(url.host(), Purpose::Keys)?;
    let text = match fetching::fetch(app, url, None).await? {
        Answer::Document { text, .. } => text,
        // Nobody asked whether it is unchanged.
        Answer::Unchanged { .. } => return Err(ClientDocumentError::Status(304)),
    };
    let set = serde_json::from_slice(&text).map_err(|error| ClientDocumentError::Invalid(error.to_string()))?;
    let set = VerificationKeys::parse(&set).map_err(|error| ClientDocumentError::Invalid(error.to_string()))?;
    Ok(Arc::new(set))
}
