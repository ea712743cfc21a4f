//! One request and its answer: one hop.

mod lease;
mod outgoing;

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::HttpMethod;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_LENGTH, LOCATION},
};
use hyper::body::{Body, Incoming};
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::lease::Lease;
pub(crate) use self::outgoing::{HopBody, Outgoing};
use crate::{
    ErrorCategory, FetchError, Phase, ResponseBody, Waits,
    body::{BodyParts, Encoding, Source, Wire},
    breakers::{Admission, Patience},
    call::{Call, Flight, Started},
    connector::{ConnectError, Connection, HEAD_BYTES_MAX, Origin},
    headers,
    latency::WaitBounds,
    secrets::Masker,
    target::Target,
    usage::Tally,
};

/// A host that is known to be fast is given this long for a connection, and for an answer: both have bad moments.
const CONNECTING_MIN: Duration = Duration::from_secs(1);
const ANSWERING_MIN: Duration = Duration::from_secs(10);
/// A connection of an earlier request needs a moment to be free of it.
const READY_MAX: Duration = Duration::from_millis(20);

/// The answer's `Location` had a secret in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaskedLocation;

/// One request, with placeholders where secrets go.
pub(crate) struct Hop<'a> {
    pub(crate) target: &'a Target,
    /// Whether a host led here: no secret is put into a URL that a host wrote.
    pub(crate) is_redirected: bool,
    pub(crate) method: HttpMethod,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: HopBody,
}

/// Asks the host, unless something forbids it.
pub(crate) async fn exchange(call: &Arc<Call>, hop: Hop<'_>, waits: Waits) -> Result<Response<ResponseBody>, FetchError> {
    let started = call.start(hop.target);
    let answer = attempt(call, &started, hop, waits).await;
    if let Err(error) = &answer {
        call.egress.tally.failed(error.category());
    }
    answer
}

async fn attempt(call: &Arc<Call>, started: &Started, hop: Hop<'_>, waits: Waits) -> Result<Response<ResponseBody>, FetchError> {
    let (target, method) = (hop.target, hop.method);
    check_grants(call, target, method)?;
    let outgoing = Outgoing::new(call, hop)?;
    call.check_bytes(outgoing.bytes_min())?;
    let flight = call.take_off().await?;
    let admission = admit(call, target)?;
    let sent_at = Instant::now();
    let (response, lease, limits) = match dialogue(call, started, target, outgoing, &admission, waits).await {
        Ok(found) => found,
        Err(error) => {
            if error.category().is_the_hosts() {
                admission.failed();
            }
            return Err(error);
        }
    };
    if is_away(response.status()) {
        call.egress.tally.failed(ErrorCategory::ServerError);
        admission.failed();
    } else {
        admission.went_well(sent_at.elapsed());
    }
    let idle = waits.piece.map_or(limits.idle, |wait| wait.min(limits.idle));
    receive(call, started, method, response, Received { lease, flight, idle })
}

/// Statuses by which a host, or what stands before it, says that it is not there.
fn is_away(status: StatusCode) -> bool {
    [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status)
}

fn check_grants(call: &Call, target: &Target, method: HttpMethod) -> Result<(), FetchError> {
    let destination = target.destination();
    if call.permission.hosts().iter().any(|granted| granted.allows(&destination, method)) {
        return Ok(());
    }
    Err(FetchError::NotGranted { method: method.as_str(), origin: target.origin() })
}

fn admit(call: &Call, target: &Target) -> Result<Admission, FetchError> {
    let (breakers, owner) = (&call.egress.breakers, call.permission.owner());
    let admitted = if call.permission.has_breaker() {
        breakers.admit(owner, target.host(), call.deadline.at())
    } else {
        breakers.admit_uncounted(owner, target.host(), call.deadline.at())
    };
    admitted.map_err(|wait| FetchError::Open {
        host: target.host().to_owned(),
        retry_after_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1),
    })
}

/// How long this host may take for each part.
#[derive(Debug, Clone, Copy)]
struct Limits {
    connecting: Duration,
    answering: Duration,
    idle: Duration,
}

impl Limits {
    fn of(call: &Call, admission: &Admission, waits: Waits) -> Self {
        let config = &call.egress.config;
        let longest = |ms: u32| Duration::from_millis(ms.into());
        let Patience { connecting, answering } = admission.patience(
            WaitBounds { min: CONNECTING_MIN, max: longest(config.connect_ms_max) },
            WaitBounds { min: ANSWERING_MIN, max: longest(config.first_byte_ms_max) },
        );
        Self {
            connecting: waits.connection.map_or(connecting, |wait| wait.min(connecting)),
            answering: waits.answer.map_or(answering, |wait| wait.min(answering)),
            idle: longest(config.idle_ms_max),
        }
    }
}

/// Sends over a connection that is there, or over a new one. A host may close an idle connection at any moment: what was sent into that is
/// sent once more if it cannot have been done, or does no harm when done twice (RFC 9110, section 9.2.2).
async fn dialogue(
    call: &Arc<Call>,
    started: &Started,
    target: &Target,
    mut outgoing: Outgoing,
    admission: &Admission,
    waits: Waits,
) -> Result<(Response<Incoming>, Lease, Limits), FetchError> {
    let limits = Limits::of(call, admission, waits);
    let origin = Arc::new(Origin { scheme: target.scheme(), host: target.host().into(), port: target.port() });
    loop {
        let (mut connection, is_reused) = match reuse(call, &origin).await {
            Some(connection) => (connection, true),
            None => (open(call, started, &origin, admission, limits.connecting).await?, false),
        };
        connection.slot.set(Arc::clone(&call.meter));
        let sending = connection.sender.try_send_request(outgoing.request(&connection.slot.sending)?);
        let mut error = match call.within(started, Phase::Answer, limits.answering, sending).await? {
            Ok(response) => return Ok((response, Lease::new(call, origin, connection), limits)),
            Err(error) => error,
        };
        let unsent = error.take_message().map(http::Request::into_body);
        let is_again = is_reused && !call.meter.is_exceeded() && outgoing.is_repeatable(unsent);
        if !is_again {
            return Err(failure(call, started, error.error()));
        }
    }
}

async fn reuse(call: &Call, origin: &Origin) -> Option<Connection> {
    if !call.permission.shares_connections() {
        return None;
    }
    let owner = call.permission.owner();
    while let Some(mut connection) = call.egress.pool.take(owner, origin, Instant::now()) {
        if let Ok(Ok(())) = tokio::time::timeout(READY_MAX, connection.sender.ready()).await {
            Tally::add(&call.egress.tally.reused, 1);
            return Some(connection);
        }
    }
    None
}

/// On the runtime that the node's sockets live on: a guest's own has none, and stops with the guest.
async fn open(
    call: &Arc<Call>,
    started: &Started,
    origin: &Arc<Origin>,
    admission: &Admission,
    limit: Duration,
) -> Result<Connection, FetchError> {
    let (egress, to) = (Arc::clone(&call.egress), Arc::clone(origin));
    let began = Instant::now();
    let task = AbortOnDropHandle::new(call.egress.runtime.spawn(async move { egress.connector.connect(&to).await }));
    let connection = call.within(started, Phase::Connection, limit, task).await?.map_err(|_| FetchError::Ended)?;
    let attempt = || started.attempt();
    let connection = connection.map_err(|error| match error {
        ConnectError::Resolve(reason) => FetchError::Resolve { attempt: attempt(), reason },
        ConnectError::Address(reason) => FetchError::Address { attempt: attempt(), reason },
        ConnectError::Connect(reason) => FetchError::Connect { attempt: attempt(), reason },
        ConnectError::Tls(reason) => FetchError::Tls { attempt: attempt(), reason },
    })?;
    admission.connected(began.elapsed());
    Tally::add(&call.egress.tally.opened, 1);
    Ok(connection)
}

fn failure(call: &Call, started: &Started, error: &hyper::Error) -> FetchError {
    if call.meter.is_exceeded() {
        return FetchError::EgressBytes { max: call.meter.max() };
    }
    if error.is_parse_too_large() {
        return FetchError::TooLarge { what: "the head of the answer (which may have 100 fields)", max: HEAD_BYTES_MAX as u64 };
    }
    let reason = if error.is_user() {
        "the body of the request failed".to_owned()
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "the host closed the connection without one".to_owned()
    } else {
        error.to_string()
    };
    FetchError::Protocol { attempt: started.attempt(), reason }
}

/// What comes with an answer.
struct Received {
    lease: Lease,
    flight: Flight,
    idle: Duration,
}

fn receive(
    call: &Arc<Call>,
    started: &Started,
    method: HttpMethod,
    response: Response<Incoming>,
    received: Received,
) -> Result<Response<ResponseBody>, FetchError> {
    let Received { lease, flight, idle } = received;
    let (mut parts, incoming) = response.into_parts();
    if parts.status.is_informational() {
        let reason = "it goes on in another protocol, which nobody asked for".to_owned();
        return Err(FetchError::Protocol { attempt: started.attempt(), reason });
    }
    let encoding = Encoding::of(&parts.headers).map_err(|reason| FetchError::Protocol { attempt: started.attempt(), reason })?;
    let masker = call.permission.masker();
    headers::drop_hop_by_hop(&mut parts.headers);
    if encoding != Encoding::Identity || masker.is_some() {
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.remove(http::header::CONTENT_ENCODING);
    }
    if let Some(masker) = &masker
        && mask_headers(&mut parts.headers, masker)
    {
        parts.extensions.insert(MaskedLocation);
    }
    let is_none = method == HttpMethod::Head
        || [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED].contains(&parts.status);
    let source = if incoming.is_end_stream() {
        lease.give_back();
        Source::Nothing
    } else if is_none {
        // There is something where nothing may be: the connection goes with it.
        Source::Nothing
    } else {
        Source::new(Wire::new(incoming, lease), encoding)
    };
    let body = ResponseBody::new(BodyParts { source, is_none, call: Arc::clone(call), started: started.clone(), flight, idle });
    Ok(Response::from_parts(parts, body))
}

/// Whether there was a secret in `Location`. A field whose name has one goes: what is left of the name would be another's.
fn mask_headers(headers: &mut HeaderMap, masker: &Arc<Masker>) -> bool {
    let named: Vec<HeaderName> = headers.keys().filter(|name| masker.finds_any(name.as_str().as_bytes())).cloned().collect();
    for name in named {
        headers.remove(name);
    }
    let mut is_in_location = false;
    for (name, value) in headers {
        if let Cow::Owned(masked) = masker.mask(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&masked).unwrap_or(HeaderValue::from_static("***"));
            is_in_location |= name == LOCATION;
        }
    }
    is_in_location
}
