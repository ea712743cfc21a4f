//! The keys of clients that keep them at an address (`jwks_uri`): fetched as their documents are.

use std::{sync::Arc, time::Duration};

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
    kept: Cache<DocumentUrl, Arc<VerificationKeys>>,
    flights: Flights<DocumentUrl, Result<Arc<VerificationKeys>, ClientDocumentError>>,
}

impl KeySets {
    /// Each has 5 KB at most.
    const KEPT_MAX: u64 = 1_000;
    /// A client that takes up another key waits as long at most.
    const FRESH: Duration = Duration::from_mins(5);

    pub(super) fn new() -> Self {
        Self { kept: Cache::builder().max_capacity(Self::KEPT_MAX).time_to_live(Self::FRESH).build(), flights: Flights::new() }
    }
}

/// The keys at `url`: those read within the last minutes, or what its host answers now. Bounded as [`super::fetch`] is.
pub(crate) async fn fetch_keys(app: &App, url: &Url) -> Result<Arc<VerificationKeys>, ClientDocumentError> {
    let url = DocumentUrl::parse(url.as_str()).map_err(|error| ClientDocumentError::Invalid(error.to_string()))?;
    let ClientDocuments { keys, budgets, .. } = &app.client_documents;
    if let Some(kept) = keys.kept.get(&url) {
        return Ok(kept);
    }
    let fetch = async {
        let _place = budgets.take(url.host(), Purpose::Keys)?;
        let text = match fetching::fetch(app, &url, None).await? {
            Answer::Document { text, .. } => text,
            // Nobody asked whether it is unchanged.
            Answer::Unchanged { .. } => return Err(ClientDocumentError::Status(304)),
        };
        let set = serde_json::from_slice(&text).map_err(|error| ClientDocumentError::Invalid(error.to_string()))?;
        let set = VerificationKeys::parse(&set).map_err(|error| ClientDocumentError::Invalid(error.to_string()))?;
        let set = Arc::new(set);
        keys.kept.insert(url.clone(), Arc::clone(&set));
        Ok(set)
    };
    keys.flights.join(&url, fetch).await
}
