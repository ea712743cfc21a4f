//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Router, body::Body};
use hyper::{
    Request, Response,
    body::{Frame, Incoming, SizeHint},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
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
    stream::WatchedStream,
};
use crate::configuration::Http;

/// Streams that a client opened and reset before they were looked at, on one connection; more ends it (HTTP/2 rapid reset, CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 20;

/// Streams that were reset because of the client's own mistakes, on one connection; more ends it.
const ERROR_RESETS_MAX: usize = 256;

/// Fields of a request's head; more is answered 431. hyper's default, named.
const HEADERS_MAX: usize = 100;

/// What every connection is served with.
#[derive(Clone)]
pub(super) struct Connection {
    router: Router,
    settings: Arc<Http>,
    builder: auto::Builder<TokioExecutor>,
    stop: Stop,
}

impl Connection {
    pub(super) fn new(router: Router, settings: Http, stop: Stop) -> Self {
        Self { router, builder: builder(&settings), settings: Arc::new(settings), stop }
    }

    /// Serves until either side has had enough.
    pub(super) async fn serve(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "cannot turn off Nagle's algorithm");
        }
        let activity = Arc::new(Activity::begin(Instant::now()));
        let peer = stream.peer_addr().ok().map(|address| PeerAddress(address.ip()));
        let service = service_fn(|request| answer(self.router.clone(), Arc::clone(&activity), peer, request));
        let stream = TokioIo::new(WatchedStream::new(stream, Arc::clone(&activity)));
        let mut connection = std::pin::pin!(self.builder.serve_connection(stream, service));
        // A verdict comes up to half a header time-out late; a precise one would cost two timers a request.
        let mut watch =
            interval(self.settings.header_timeout.min(self.settings.idle_timeout).min(self.settings.write_timeout) / 2);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut closing = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        debug!(error, "a connection broke");
                    }
                    return;
                },
                () = self.stop.cut.cancelled() => return,
                () = self.stop.drain.cancelled(), if !closing => {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                },
                now = watch.tick() => match activity.judge(now, &self.settings) {
                    Verdict::Keep => {},
                    Verdict::Close if closing => {},
                    Verdict::Close => {
                        closing = true;
                        connection.as_mut().graceful_shutdown();
                    },
                    Verdict::Cut => return,
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
    activity.request_begins(request.version());
    let running = Running(activity);
    let response = router.oneshot(request.map(Body::new)).await?;
    Ok(response.map(|body| Answer { body, _running: running }))
}

/// A request that counts as running while this lives.
struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.request_ends();
    }
}

/// The body of an answer; its request runs until it is sent.
struct Answer {
    body: Body,
    _running: Running,
}

impl hyper::body::Body for Answer {
    type Data = <Body as hyper::body::Body>::Data;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
