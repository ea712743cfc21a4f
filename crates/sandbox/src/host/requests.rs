//! Requests to the outside.

use std::num::NonZeroU16;

use bytes::Bytes;
use domain::{GrantedHost, HostCall, HttpMethod, Scheme};
use egress::{FetchError, FetchRequest, FetchResponse, Redirect};
use serde::{Deserialize, Serialize};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;
use url::Url;
use wasmtime::{
    StoreContextMut,
    component::{WasmList, WasmStr},
};

use super::{
    Fault, burn, charge_refusal, count,
    operations::{Ended, Fetched},
    refusal, take_text,
};
use crate::{journal, outside::Sending, state::GuestState};

/// Bytes of a request without its body, as JSON: more than hosts take.
const REQUEST_BYTES_MAX: usize = 256 * 1024;
/// Bytes of the bodies of all requests of a call that are under way: copies in the host's memory, whatever its tier lets it send in time.
const SENDING_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The same of their texts: all but a few requests wait for their turn, each with its URL and its fields in the host's memory.
const HEADS_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What a request takes beside its text: its task, and what its fields become when they are taken apart.
const HEAD_BYTES_MIN: u64 = 4 * 1024;
/// Fuel of a byte that is sent: it is copied, looked through for placeholders, encrypted.
pub(crate) const SENT_BYTE_FUEL: u64 = 8;
/// Fuel of a byte that was received: it was decrypted, decompressed, looked through for secrets.
pub(crate) const RECEIVED_BYTE_FUEL: u64 = 16;

/// `request` of `fetch`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    redirect: RedirectMode,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RedirectMode {
    #[default]
    Follow,
    Error,
    Manual,
}

/// The end of a `fetch`.
#[derive(Debug, Serialize)]
struct Answer<'a>(
    /// The status.
    u16,
    /// What stands beside it.
    &'a str,
    /// The URL.
    &'a str,
    /// Whether it was redirected.
    bool,
    /// The handle of the body.
    Option<u32>,
    /// What came of the body.
    Begun,
    /// Names and values of the headers, one after the other.
    Vec<&'a str>,
);

/// How much of a body has come with the head of its answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Begun {
    /// Nothing yet, or there is no body.
    None,
    Some,
    All,
}

/// `fetch: func(request: string, body: list<u8>) -> result<u32, string>`
pub(super) fn fetch(
    mut guest: StoreContextMut<'_, GuestState>,
    (request, body): (WasmStr, WasmList<u8>),
) -> wasmtime::Result<(Result<u32, String>,)> {
    count(&mut guest)?;
    let text = take_text(&mut guest, &request, REQUEST_BYTES_MAX)?;
    burn(&mut guest, body.len(), SENT_BYTE_FUEL)?;
    let parameters = |guest: &StoreContextMut<'_, _>| Some(journal::parameters([text.as_bytes(), body.as_le_slice(guest)]));
    let started = journal::tell(&mut guest, HostCall::Fetch, parameters, |guest| match read_request(guest, &text) {
        Ok(request) => begin(guest, request, text.len(), &body),
        Err(reason) => Ok(Err(reason)),
    })?;
    charge_refusal(&mut guest, &started)?;
    Ok((started,))
}

/// What the guest is told of the request `operation`, which has ended.
pub(super) fn answer(
    guest: &mut StoreContextMut<'_, GuestState>,
    operation: u32,
    sent: Sending,
    fetched: Result<Box<Fetched>, FetchError>,
) -> wasmtime::Result<Result<String, String>> {
    let GuestState { operations, outside, .. } = guest.data_mut();
    outside.sending = outside.sending.without(sent);
    let Fetched { response, begun } = match unless_over(fetched)? {
        Ok(fetched) => *fetched,
        Err(reason) => return Ok(Err(reason)),
    };
    let FetchResponse { url, status, status_text, redirected, headers, body } = response;
    let handle = if body.is_none() { None } else { Some(operations.next_handle()?) };
    let (has_begun, begun) = match begun {
        // Taking it is the end of the body, also where there was nothing in it.
        begun if handle.is_some() && body.is_at_end() => (Begun::All, Some(begun.unwrap_or_default())),
        Some(begun) => (Begun::Some, Some(begun)),
        None => (Begun::None, None),
    };
    let headers = headers.iter().flat_map(|(name, value)| [name.as_str(), value]).collect();
    let answer = Answer(status, &status_text, &url, redirected, handle, has_begun, headers);
    let text = serde_json::to_string(&answer).map_err(wasmtime::Error::new)?;
    let bytes = text.len().saturating_add(begun.as_ref().map_or(0, Bytes::len));
    if let Some(handle) = handle {
        outside.bodies.insert(handle, operation, body, begun);
    }
    burn(guest, bytes, RECEIVED_BYTE_FUEL)?;
    Ok(Ok(text))
}

/// What the guest is told of a request that a fault of ours ended.
pub(super) fn broke_off(guest: &mut StoreContextMut<'_, GuestState>, sent: Sending) -> Result<String, String> {
    let outside = &mut guest.data_mut().outside;
    outside.sending = outside.sending.without(sent);
    Err("the request broke off on the platform's side: try again".to_owned())
}

/// An error of the outside as the text that the guest is told, unless it ends the call.
pub(super) fn unless_over<T>(result: Result<T, FetchError>) -> Result<Result<T, String>, Fault> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(FetchError::EgressBytes { .. }) => Err(Fault::EgressBytes),
        Err(error) => Ok(Err(refusal(&error.to_string()))),
    }
}

fn read_request(guest: &StoreContextMut<'_, GuestState>, text: &str) -> Result<Request, String> {
    // What was cut is no JSON any more.
    let request: Request = serde_json::from_str(text)
        .map_err(|error| refusal(&format!("the host cannot read this request of {REQUEST_BYTES_MAX} bytes at most: {error}")))?;
    if guest.data().outside.outbound.is_none() {
        return Err(missing_grant(&request.url, &request.method));
    }
    Ok(request)
}

/// Starts a request on the runtime that drives sockets, so that it goes on while the guest computes.
fn begin(
    guest: &mut StoreContextMut<'_, GuestState>,
    request: Request,
    text_bytes: usize,
    body: &WasmList<u8>,
) -> wasmtime::Result<Result<u32, String>> {
    let sent = Sending { body_bytes: body.len() as u64, head_bytes: HEAD_BYTES_MIN.saturating_add(text_bytes as u64) };
    let state = guest.data();
    let sending = state.outside.sending.and(sent);
    if sending.body_bytes > state.limits.egress_bytes_max {
        return Err(Fault::EgressBytes.into());
    }
    if sending.body_bytes > SENDING_BYTES_MAX {
        return Ok(Err(format!(
            "requests that are under way may have bodies of {SENDING_BYTES_MAX} bytes: wait for some to end"
        )));
    }
    if sending.head_bytes > HEADS_BYTES_MAX {
        return Ok(Err(format!(
            "requests that are under way may have URLs and headers of {HEADS_BYTES_MAX} bytes, each counted as {HEAD_BYTES_MIN} more: \
             wait for some to end"
        )));
    }
    let Some(outbound) = state.outside.outbound.clone() else { return Ok(Err(missing_grant(&request.url, &request.method))) };
    let request = FetchRequest {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: Bytes::copy_from_slice(body.as_le_slice(&*guest)),
        redirect: request.redirect.into(),
    };
    let work = async move {
        let mut response = outbound.fetch(request).await?;
        // Short bodies come with their heads: so the guest needs to ask once for both.
        let begun = response.body.at_once().await;
        Ok(Box::new(Fetched { response, begun }))
    };
    let GuestState { operations, outside, .. } = guest.data_mut();
    let handle = operations.next_handle()?;
    let task = AbortOnDropHandle::new(outside.io.spawn(work.in_current_span()));
    outside.sending = sending;
    operations.start(handle, Some(task.abort_handle()), async move {
        match task.await {
            Ok(response) => Ended::Fetched { sent, response },
            Err(_) => Ended::BrokeOff { sent },
        }
    });
    operations.hold(handle, sent.head_bytes);
    Ok(Ok(handle))
}

/// Which grant a call without a way out would need, in the words of a grant.
pub(crate) fn missing_grant(url: &str, method: &str) -> String {
    let method = method.to_ascii_uppercase();
    let Some(grant) = grant_of(url, &method) else {
        return "the tool is granted no hosts, and this is no URL of one: it must be absolute, with http or https and a host name"
            .to_owned();
    };
    let grant = serde_json::to_string(&grant).unwrap_or_default();
    format!("the tool is granted no hosts: to let it {method} there, add {grant} to the `hosts` that the tool asks for")
}

fn grant_of(url: &str, method: &str) -> Option<GrantedHost> {
    let url = Url::parse(url).ok()?;
    let scheme = match url.scheme() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return None,
    };
    Some(GrantedHost {
        scheme,
        host: url.host_str()?.parse().ok()?,
        port: url.port().and_then(NonZeroU16::new),
        methods: HttpMethod::find(method).into_iter().collect(),
    })
}

fn get() -> String {
    "GET".to_owned()
}

impl From<RedirectMode> for Redirect {
    fn from(mode: RedirectMode) -> Self {
        match mode {
            RedirectMode::Follow => Self::Follow,
            RedirectMode::Error => Self::Error,
            RedirectMode::Manual => Self::Manual,
        }
    }
}
