//! How an issuer is asked: by the one way out, within bounds of time and size. Its redirects are not followed.

use std::{
    collections::BTreeMap,
    num::NonZeroU16,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{GrantedHost, HttpMethod, Scheme};
use egress::{Bounds, FetchError, FetchRequest, FetchResponse, Permission, Redirect};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http};
use url::Url;

use super::UpstreamIssuer;
use crate::App;

/// All requests of one step, which a person waits for.
const WAIT: Duration = Duration::from_secs(8);
/// Each of them: name, connection, TLS and answer together.
const REQUEST_WAIT: Duration = Duration::from_secs(5);
/// An answer's body. Discovery documents have some kilobytes, the largest key sets that are known some twenty.
const BODY_BYTES_MAX: usize = 128 * 1024;
/// All requests of one step, with heads.
const EGRESS_BYTES_MAX: u64 = 512 * 1024;
/// Whose requests these are, where tools' requests have their customer: the platform's own, as those for clients' documents.
const PLATFORM: u128 = 0;

/// Asks an issuer.
pub(super) struct OverEgress<'a> {
    app: &'a App,
    issuer: &'a UpstreamIssuer,
    deadline: Instant,
}

/// Why there is no answer. What the other side wrote is never in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AskError {
    /// The issuer names an address that no issuer may name.
    #[error("the issuer names an address that is not asked")]
    Address,
    /// No name, no connection, no trust, no HTTP; or it says itself that it is away.
    #[error("the issuer cannot be reached")]
    Unreachable,
    /// It was not there in time.
    #[error("the issuer is too slow")]
    TooSlow,
    /// It says more than is read.
    #[error("the issuer's answer is longer than is read")]
    TooLarge,
}

impl<'a> OverEgress<'a> {
    /// For one step: what it asks ends within eight seconds.
    pub(super) fn new(app: &'a App, issuer: &'a UpstreamIssuer) -> Self {
        Self { app, issuer, deadline: Instant::now() + WAIT }
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, AskError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|_| AskError::Address)?;
        if !self.issuer.may_name(&url) {
            return Err(AskError::Address);
        }
        let deadline = self.deadline.min(Instant::now() + REQUEST_WAIT);
        let bounds = Bounds { egress_bytes_max: EGRESS_BYTES_MAX, deadline };
        let outbound = self.app.egress.open(Arc::new(permission(&url)?), bounds);
        let headers = parts.headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let request = FetchRequest {
            method: parts.method.to_string(),
            url: url.into(),
            headers: headers.collect(),
            body: body.into(),
            redirect: Redirect::Manual,
        };
        let response = outbound.fetch(request).await.map_err(|error| explain(&error))?;
        read(response).await
    }
}

impl<'c> AsyncHttpClient<'c> for OverEgress<'_> {
    type Error = AskError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, AskError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}

/// The one host of the address, to ask it.
fn permission(url: &Url) -> Result<Permission, AskError> {
    let host = url.domain().and_then(|host| host.parse().ok()).ok_or(AskError::Address)?;
    let scheme = if url.scheme() == "http" { Scheme::Http } else { Scheme::Https };
    let port = url.port().and_then(NonZeroU16::new);
    let host = GrantedHost { scheme, host, port, methods: [HttpMethod::Get, HttpMethod::Post].into() };
    Ok(Permission::new(PLATFORM, vec![host], BTreeMap::new()).without_breaker())
}

async fn read(mut response: FetchResponse) -> Result<HttpResponse, AskError> {
    if response.status >= 500 || response.status == 429 {
        return Err(AskError::Unreachable);
    }
    let mut answer = http::Response::builder().status(response.status);
    if let Some((_, media_type)) = response.headers.iter().find(|(name, _)| name == "content-type") {
        answer = answer.header(http::header::CONTENT_TYPE, media_type);
    }
    let mut body = Vec::new();
    while let Some(piece) = response.body.next().await.map_err(|error| explain(&error))? {
        if body.len() + piece.len() > BODY_BYTES_MAX {
            return Err(AskError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    answer.body(body).map_err(|_| AskError::Unreachable)
}

fn explain(error: &FetchError) -> AskError {
    tracing::info!(%error, "cannot ask an issuer: {error}");
    match error {
        FetchError::Deadline | FetchError::TimeOut { .. } => AskError::TooSlow,
        FetchError::EgressBytes { .. } | FetchError::TooLarge { .. } => AskError::TooLarge,
        _ => AskError::Unreachable,
    }
}
