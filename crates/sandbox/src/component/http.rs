//! `wasi:http/outgoing-handler`, by the one way out.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use domain::LogLevel;
use egress::{FetchError, Outbound, Waits};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::{toll::Toll, voice::Voice};
use crate::{
    host::{RECEIVED_BYTE_FUEL, SENT_BYTE_FUEL, missing_grant},
    invocation::CallLimit,
    outside::Outside,
};

/// What is sent at once of a request's body, and how many pieces of that size wait.
const CHUNK_BYTES_MAX: usize = 64 * 1024;
const CHUNKS_MAX: usize = 1;

/// Sends the requests of one guest.
pub(super) struct Sender {
    outbound: Option<Outbound>,
    io: Handle,
    voice: Voice,
    toll: Toll,
    /// Requests since they were last counted as host calls.
    pub(super) requests: u32,
    /// Host calls that are left.
    pub(super) host_calls_left: u32,
    has_crossed_host_calls: bool,
    has_crossed_egress_bytes: Arc<AtomicBool>,
}

/// What comes of a request: the answer, and what goes on beside it.
type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl Sender {
    pub(super) fn new(outside: &Outside, voice: Voice, toll: Toll) -> Self {
        Self {
            outbound: outside.outbound.clone(),
            io: outside.io.clone(),
            voice,
            toll,
            requests: 0,
            host_calls_left: 0,
            has_crossed_host_calls: false,
            has_crossed_egress_bytes: Arc::default(),
        }
    }

    /// The limit that ended the guest's way out, if one did: then the call has failed, whatever the guest made of it.
    pub(super) fn crossed(&self) -> Option<CallLimit> {
        if self.has_crossed_host_calls {
            Some(CallLimit::HostCalls)
        } else if self.has_crossed_egress_bytes.load(Ordering::Relaxed) {
            Some(CallLimit::EgressBytes)
        } else {
            None
        }
    }

    fn count(&mut self) -> Result<(), Error> {
        if self.requests >= self.host_calls_left {
            self.has_crossed_host_calls = true;
            return Err(Error::HttpRequestDenied);
        }
        self.requests += 1;
        Ok(())
    }
}

impl WasiHttpHooks for Sender {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        if let Err(error) = self.count() {
            return Box::new(async { Err(error) });
        }
        let (voice, crossed) = (self.voice.clone(), self.has_crossed_egress_bytes.clone());
        let Some(outbound) = self.outbound.clone() else {
            voice.say(LogLevel::Warn, &missing_grant(&request.uri().to_string(), request.method().as_str()));
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        let waits = options.map(waits).unwrap_or_default();
        let tell = move |error: FetchError| tell(&error, &voice, &crossed);
        // Sockets are driven by another runtime than guests are.
        let request = request.map(|body| charged(body, self.toll.clone(), SENT_BYTE_FUEL));
        let received = self.toll.clone();
        let work = async move { outbound.send(request, waits).await };
        let task = AbortOnDropHandle::new(self.io.spawn(work.in_current_span()));
        Box::new(async move {
            let response = task.await.map_err(|_| Error::InternalError(None))?.map_err(tell.clone())?;
            let response = response.map(|body| charged(body.map_err(tell), received, RECEIVED_BYTE_FUEL));
            Ok((response, Box::new(async { Ok(()) }) as Box<dyn Future<Output = _> + Send>))
        })
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        CHUNKS_MAX
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES_MAX
    }

    fn p2_error_from_hyper(&mut self, _error: &hyper::Error) -> wasmtime_wasi_http::p2::bindings::http::types::ErrorCode {
        wasmtime_wasi_http::p2::bindings::http::types::ErrorCode::HttpProtocolError
    }
}

/// A body of which each byte takes fuel on its way.
fn charged(body: impl Body<Data = Bytes, Error = Error> + Send + 'static, toll: Toll, byte_fuel: u64) -> WasiBody {
    body.map_frame(move |frame| {
        toll.add(frame.data_ref().map_or(0, |data| data.len() as u64), byte_fuel);
        frame
    })
    .boxed_unsync()
}

fn waits(options: RequestOptions) -> Waits {
    Waits { connection: options.connect_timeout, answer: options.first_byte_timeout, piece: options.between_bytes_timeout }
}

/// The code is for the guest. It has no words, so that they go to the log, where the tool's author finds them.
fn tell(error: &FetchError, voice: &Voice, crossed: &AtomicBool) -> Error {
    voice.say(LogLevel::Warn, &error.to_string());
    match error {
        FetchError::EgressBytes { .. } => {
            crossed.store(true, Ordering::Relaxed);
            Error::HttpRequestDenied
        }
        FetchError::NotGranted { .. } | FetchError::Secret(_) | FetchError::Redirect { .. } => Error::HttpRequestDenied,
        FetchError::Url { .. } => Error::HttpRequestUriInvalid,
        FetchError::Request { .. } | FetchError::Protocol { .. } => Error::HttpProtocolError,
        FetchError::Address { .. } => Error::DestinationIpProhibited,
        FetchError::Resolve { .. } => Error::DnsError { rcode: None, info_code: None },
        FetchError::Connect { .. } => Error::ConnectionRefused,
        FetchError::Tls { .. } => Error::TlsProtocolError,
        FetchError::TimeOut { .. } | FetchError::Deadline => Error::ConnectionTimeout,
        FetchError::Open { .. } => Error::DestinationUnavailable,
        FetchError::TooLarge { .. } => Error::HttpResponseBodySize(None),
        FetchError::Ended => Error::ConnectionTerminated,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn every_byte_of_a_body_takes_fuel() {
        let toll = Toll::default();
        let body = Full::new(Bytes::from_static(&[7; 1_000])).map_err(|error| match error {});

        let whole = charged(body, toll.clone(), RECEIVED_BYTE_FUEL).collect().await.unwrap();

        assert_eq!(whole.to_bytes().len(), 1_000);
        assert_eq!(toll.due(), 1_000 * RECEIVED_BYTE_FUEL);
    }
}
