//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    Router,
    body::{Body, Bytes},
};
use hyper::{
    Request, Response, Version,
    body::{Frame, Incoming, SizeHint},
    header::{self, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use telemetry::{ConnectionCut, Metrics};
use tokio::{
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval},
};
use tower::ServiceExt as _;
use tracing::debug;

use web::PeerAddress;

use super::{
    Stop,
    activity::{Activity, Verdict},
    linger::Lingering,
    stream::WatchedStream,
};
use crate::configuration::Http;

/// Streams that a client opened and reset before they were looked at, on one connection; more ends it (HTTP/2 rapid reset, CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 20;

/// Streams that were reset because of the client's own mistakes, on one connection; more ends it.
const ERROR_RESETS_MAX: usize = 256;

/// Bytes of bodies that a client of HTTP/2 may send ahead of whoever reads them: of one request, and of all of a connection.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 512 * 1024;

/// The largest frame that is read in one piece (RFC 9113, section 4.2: the least that may be said).
const FRAME_BYTES_MAX: u32 = 16 * 1024;

/// Bytes of answers that wait for the client's window, on one stream.
const SEND_BYTES_MAX: usize = 128 * 1024;

/// The pieces in which answers of HTTP/2 are handed over: what the client lets go of one is told from what it leaves.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Fields of a request's head; more is answered 431. hyper's default, named.
const HEADERS_MAX: usize = 100;

/// The rest of a body that nobody reads which hyper may take off the line by itself, so that the connection goes on: its first read.
const DRAINED_BYTES_MAX: u64 = 8 * 1024;

/// What every connection is served with.
#[derive(Clone)]
pub(super) struct Connection {
    router: Router,
    settings: Arc<Http>,
    builder: auto::Builder<TokioExecutor>,
    stop: Stop,
    metrics: Arc<Metrics>,
    lingering: Lingering,
}

impl Connection {
    pub(super) fn new(router: Router, settings: Http, stop: Stop, metrics: Arc<Metrics>) -> Self {
        Self { router, builder: builder(&settings), settings: Arc::new(settings), stop, metrics, lingering: Lingering::new() }
    }

    /// Serves until either side has had enough.
    pub(super) async fn serve(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "cannot turn off Nagle's algorithm");
        }
        let activity = Arc::new(Activity::begin(Instant::now()));
        let peer = stream.peer_addr().ok().map(|address| PeerAddress(address.ip()));
        let service = service_fn(|request| answer(self.router.clone(), Arc::clone(&activity), peer, request));
        let stream = TokioIo::new(WatchedStream::new(stream, Arc::clone(&activity), self.lingering.clone()));
        let mut connection = std::pin::pin!(self.builder.serve_connection(stream, service));
        // A verdict comes up to half a header time-out late; a precise one would cost two timers a request.
        let mut watch =
            interval(self.settings.header_timeout.min(self.settings.idle_timeout).min(self.settings.write_timeout) / 2);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut closing = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if activity.is_flooded() {
                        self.metrics.cut_connection(ConnectionCut::FrameFlood);
                    }
                    if let Err(error) = ended {
                        // Answered before there was a request that the router could count.
                        if error.downcast_ref().is_some_and(hyper::Error::is_parse) {
                            self.metrics.cut_connection(ConnectionCut::BadHead);
                        }
                        debug!(error, "a connection broke");
                    }
                    return;
                },
                () = self.stop.cut.cancelled() => return,
                () = self.stop.drain.cancelled(), if !closing => {
                    closing = true;
                    activity.closes();
                    connection.as_mut().graceful_shutdown();
                },
                now = watch.tick() => match activity.judge(now, &self.settings) {
                    Verdict::Keep => {},
                    Verdict::Close if closing => {},
                    Verdict::Close => {
                        closing = true;
                        activity.closes();
                        connection.as_mut().graceful_shutdown();
                    },
                    Verdict::Cut(why) => {
                        self.metrics.cut_connection(why);
                        return;
                    },
                },
            }
        }
    }
}

fn builder(settings: &Http) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The watch has its own, tighter one; this would end idle connections as well.
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_buf_size(settings.head_bytes_max as usize)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.streams_max)
        .max_header_list_size(settings.head_bytes_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_send_buf_size(SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX)
        // A peer that is gone without a word is noticed while a request runs.
        .keep_alive_interval(settings.idle_timeout / 2)
        .keep_alive_timeout(settings.header_timeout);
    builder
}

async fn answer(
    router: Router,
    activity: Arc<Activity>,
    peer: Option<PeerAddress>,
    mut request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    let version = request.version();
    // A body in chunks may have come with a length as well, which hyper drops: whoever passed it on may have gone by that one, and what follows would
    // be a request to us alone (RFC 9112, section 6.1). So nothing follows.
    let is_last = version == Version::HTTP_11 && request.headers().contains_key(header::TRANSFER_ENCODING);
    let request_number = activity.request_begins(version);
    let request = request.map(|body| match version {
        Version::HTTP_2 => Body::new(body),
        _ => Body::new(Given { body, has_ended: false, activity: Arc::clone(&activity) }),
    });
    let running = Running { activity: Arc::clone(&activity), request: request_number };
    let mut response = router.oneshot(request).await?;
    // hyper knows only afterwards that it will not find the end, and the client is to know before.
    if is_last || activity.unread_bytes() > DRAINED_BYTES_MAX {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let in_pieces = version == Version::HTTP_2;
    Ok(response.map(|body| Answer { body, rest: Bytes::new(), in_pieces, running }))
}

/// The body of a request of HTTP/1, which tells if it was left before its end.
struct Given {
    body: Incoming,
    has_ended: bool,
    activity: Arc<Activity>,
}

impl hyper::body::Body for Given {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.has_ended |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if !self.has_ended && !hyper::body::Body::is_end_stream(&self.body) {
            self.activity.left_unread(hyper::body::Body::size_hint(&self.body).lower());
        }
    }
}

/// A request that counts as running while this lives.
struct Running {
    activity: Arc<Activity>,
    request: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.activity.request_ends(self.request);
    }
}

/// The body of an answer; its request runs until it is sent.
struct Answer {
    body: Body,
    /// What of its last frame is still to be handed over.
    rest: Bytes,
    /// Whether it is handed over piece by piece, and each is watched: of HTTP/1 the socket tells.
    in_pieces: bool,
    running: Running,
}

impl hyper::body::Body for Answer {
    type Data = <Body as hyper::body::Body>::Data;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if !self.in_pieces {
            return Pin::new(&mut self.body).poll_frame(context);
        }
        self.running.activity.taken(self.running.request);
        let frame = if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                ended => return Poll::Ready(ended),
            }
        } else {
            Frame::data(std::mem::take(&mut self.rest))
        };
        self.running.activity.offered(self.running.request);
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(mut data) => {
                self.rest = data.split_off(data.len().min(PIECE_BYTES_MAX));
                Frame::data(data)
            }
            Err(trailers) => trailers,
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_empty() { self.body.size_hint() } else { SizeHint::default() }
    }
}
