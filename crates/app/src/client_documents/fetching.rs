//! One request for a client's document: what is read of the answer, and what is not.

use std::{
    collections::BTreeMap,
    num::NonZeroU16,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use domain::{GrantedHost, HttpMethod, Scheme};
use egress::{Bounds, FetchError, FetchRequest, FetchResponse, Permission, Redirect};
use oauth::DocumentUrl;

use super::{ClientDocumentError, freshness};
use crate::App;

/// Name, connection, TLS and answer together: a person waits for it, and it is a small file.
const FETCH_WAIT: Duration = Duration::from_secs(5);
/// The document, the heads, and the marks between chunks; many times what a good answer has.
const EGRESS_BYTES_MAX: u64 = 64 * 1024;
/// Whose request it is, where tools' requests have their customer: no customer has this number, so connections and places are the platform's
/// own. It has no breaker: anybody can name a document that is not there.
const PLATFORM: u128 = 0;

/// What the client's server answered.
pub(super) enum Answer {
    Document {
        text: Bytes,
        validator: Option<Validator>,
        lifetime: Duration,
    },
    /// It is the one that the validator came with (RFC 9110, section 15.4.5).
    Unchanged {
        lifetime: Duration,
    },
}

/// What tells one state of a document from another (RFC 9110, section 8.8), to be sent back as it came.
#[derive(Debug, Clone)]
pub(super) enum Validator {
    EntityTag(String),
    LastModified(String),
}

/// Asks for the document. Nothing but its own host is reached, whatever the answer says.
pub(super) async fn fetch(app: &App, url: &DocumentUrl, known: Option<&Validator>) -> Result<Answer, ClientDocumentError> {
    let bounds = Bounds { egress_bytes_max: EGRESS_BYTES_MAX, deadline: Instant::now() + FETCH_WAIT };
    let outbound = app.egress.open(Arc::new(permission(url)?), bounds);
    let request = FetchRequest {
        method: "GET".to_owned(),
        url: url.as_str().to_owned(),
        headers: headers(known),
        body: Bytes::new(),
        redirect: Redirect::Manual,
    };
    let response = outbound.fetch(request).await.map_err(|error| explain(&error))?;
    let lifetime = freshness::lifetime(&response.headers);
    match (response.status, known) {
        (200, _) => {}
        (304, Some(_)) => return Ok(Answer::Unchanged { lifetime }),
        (status, _) => return Err(ClientDocumentError::Status(status)),
    }
    check_media_type(&response)?;
    let validator = validator(&response);
    let text = read(response).await?;
    Ok(Answer::Document { text, validator, lifetime })
}

/// The one host that the address names, by TLS, to read.
fn permission(url: &DocumentUrl) -> Result<Permission, ClientDocumentError> {
    // An address of numbers is no name, and a name without a dot is one of this network.
    let host = url.as_url().domain().and_then(|host| host.parse().ok()).ok_or(ClientDocumentError::Unreachable)?;
    let port = url.as_url().port().and_then(NonZeroU16::new);
    let host = GrantedHost { scheme: Scheme::Https, host, port, methods: [HttpMethod::Get].into() };
    Ok(Permission::new(PLATFORM, vec![host], BTreeMap::new()).without_breaker())
}

fn headers(known: Option<&Validator>) -> Vec<(String, String)> {
    let condition = known.map(|known| match known {
        Validator::EntityTag(tag) => ("if-none-match", tag.clone()),
        Validator::LastModified(moment) => ("if-modified-since", moment.clone()),
    });
    let headers = [Some(("accept", "application/json".to_owned())), condition];
    headers.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn header<'a>(response: &'a FetchResponse, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
}

fn check_media_type(response: &FetchResponse) -> Result<(), ClientDocumentError> {
    let declared = header(response, "content-type").unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    if is_json { Ok(()) } else { Err(ClientDocumentError::MediaType) }
}

/// A tag that is longer than a digest in any spelling is not worth its place.
fn validator(response: &FetchResponse) -> Option<Validator> {
    let short = |name| header(response, name).filter(|value| value.len() <= 256).map(str::to_owned);
    short("etag").map(Validator::EntityTag).or_else(|| short("last-modified").map(Validator::LastModified))
}

async fn read(mut response: FetchResponse) -> Result<Bytes, ClientDocumentError> {
    let mut text = BytesMut::new();
    while let Some(piece) = response.body.next().await.map_err(|error| explain(&error))? {
        if text.len() + piece.len() > oauth::ClientDocument::BYTES_MAX {
            return Err(ClientDocumentError::TooLarge);
        }
        text.extend_from_slice(&piece);
    }
    Ok(text.freeze())
}

/// Whoever asks is told little: they could find out by us who listens where.
fn explain(error: &FetchError) -> ClientDocumentError {
    tracing::info!(%error, "cannot fetch a client's document: {error}");
    match error {
        FetchError::Deadline | FetchError::TimeOut { .. } => ClientDocumentError::TooSlow,
        FetchError::EgressBytes { .. } | FetchError::TooLarge { .. } => ClientDocumentError::TooLarge,
        FetchError::Open { retry_after_ms, .. } => {
            ClientDocumentError::Busy { retry_after_s: u32::try_from(retry_after_ms.div_ceil(1000)).unwrap_or(u32::MAX) }
        }
        _ => ClientDocumentError::Unreachable,
    }
}
