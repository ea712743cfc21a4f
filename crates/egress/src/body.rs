//! The body of an answer.

mod source;

use std::{
    error::Error,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;

pub(crate) use self::source::{Encoding, Source, Wire};
use crate::{
    FetchError, Phase,
    call::{Call, Flight, Started},
    secrets::MaskedStream,
};

/// What comes at once of a body, if that is its end or there is so much of it.
const AT_ONCE_BYTES: usize = 64 << 10;

/// What a host answers, piece by piece: decompressed, bounded, without secrets. Nothing is read ahead of who reads it, but for one buffer.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    masked: Option<MaskedStream>,
    is_none: bool,
    bytes: u64,
    call: Arc<Call>,
    started: Started,
    /// Gone when whoever reads is told of the end, since until then pieces may be held, and with this.
    flight: Option<Flight>,
    idle: Duration,
    waiting: Option<Waiting>,
    /// Why it ended, if nobody was told yet.
    failed: Option<FetchError>,
}

/// A read that waits for the host.
#[derive(Debug)]
struct Waiting {
    until: Pin<Box<Sleep>>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// What [`ResponseBody`] is made of.
pub(crate) struct BodyParts {
    pub(crate) source: Source,
    /// Such an answer has no body at all, not even an empty one.
    pub(crate) is_none: bool,
    pub(crate) call: Arc<Call>,
    pub(crate) started: Started,
    pub(crate) flight: Flight,
    pub(crate) idle: Duration,
}

impl ResponseBody {
    pub(crate) fn new(parts: BodyParts) -> Self {
        let BodyParts { source, is_none, call, started, flight, idle } = parts;
        let masked = call.permission.masker().map(MaskedStream::new);
        let flight = Some(flight).filter(|_| !matches!(source, Source::Nothing));
        Self { source, masked, is_none, bytes: 0, call, started, flight, idle, waiting: None, failed: None }
    }

    /// Whether there is no body at all, as after HEAD and with the status 204.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.is_none
    }

    /// Whether it has to be decompressed to be read.
    pub(crate) const fn is_encoded(&self) -> bool {
        self.source.is_encoded()
    }

    /// Whether it is known that nothing follows.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        matches!(self.source, Source::Nothing) && self.failed.is_none()
    }

    /// The next piece, never empty; `None` at the end, and after an error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        poll_fn(|context| self.poll_piece(context)).await.transpose()
    }

    /// What is there already, without waiting: all of a short body as a rule. Nothing is lost by an error: it is told by the next [`Self::next`].
    pub async fn at_once(&mut self) -> Option<Bytes> {
        let mut pieces: Vec<Bytes> = Vec::new();
        poll_fn(|context| {
            while pieces.iter().map(Bytes::len).sum::<usize>() < AT_ONCE_BYTES
                && let Poll::Ready(Some(piece)) = self.poll_ready_piece(context)
            {
                match piece {
                    Ok(piece) => pieces.push(piece),
                    Err(error) => {
                        self.failed = Some(error);
                        break;
                    }
                }
            }
            Poll::Ready(())
        })
        .await;
        match pieces.len() {
            0 | 1 => pieces.pop(),
            _ => Some(pieces.concat().into()),
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, FetchError>>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match self.poll_ready_piece(context) {
            Poll::Pending => self.poll_wait(context).map(|over| Some(Err(self.end_with(over)))),
            Poll::Ready(None) => {
                self.flight = None;
                Poll::Ready(None)
            }
            ready @ Poll::Ready(_) => ready,
        }
    }

    /// As [`Self::poll_piece`], where nobody waits.
    fn poll_ready_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, FetchError>>> {
        loop {
            if matches!(self.source, Source::Nothing) {
                return Poll::Ready(None);
            }
            if let Some(over) = self.check_end() {
                return Poll::Ready(Some(Err(self.end_with(over))));
            }
            let piece = ready!(self.source.poll_piece(context));
            self.waiting = None;
            let piece = match piece {
                Some(Ok(piece)) => self.take(piece),
                Some(Err(error)) => Err(self.broken(&error)),
                None => {
                    self.source = Source::Nothing;
                    Ok(self.masked.as_mut().map(MaskedStream::finish).unwrap_or_default())
                }
            };
            match piece {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Poll::Ready(Some(Ok(piece))),
                Err(error) => return Poll::Ready(Some(Err(self.end_with(error)))),
            }
        }
    }

    fn take(&mut self, piece: Bytes) -> Result<Bytes, FetchError> {
        let max = self.call.egress.config.response_body_bytes_max;
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.bytes > max {
            return Err(FetchError::TooLarge { what: "the body of the answer", max });
        }
        if self.source.is_over() {
            self.source = Source::Nothing;
        }
        let Some(masked) = &mut self.masked else { return Ok(piece) };
        let mut certain = masked.push(piece);
        if matches!(self.source, Source::Nothing) {
            certain = join(certain, masked.finish());
        }
        Ok(certain)
    }

    fn check_end(&self) -> Option<FetchError> {
        if self.call.ended.is_cancelled() {
            return Some(FetchError::Ended);
        }
        // A host that always has a piece ready never lets the timer below be asked.
        (Instant::now() >= self.call.deadline.at()).then_some(FetchError::Deadline)
    }

    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<FetchError> {
        let (call, idle) = (&self.call, self.idle);
        let waiting = self.waiting.get_or_insert_with(|| Waiting {
            until: Box::pin(tokio::time::sleep_until((Instant::now() + idle).min(call.deadline.at()).into())),
            ended: Box::pin(call.ended.clone().cancelled_owned()),
        });
        if waiting.ended.as_mut().poll(context).is_ready() {
            return Poll::Ready(FetchError::Ended);
        }
        waiting.until.as_mut().poll(context).map(|()| call.over(&self.started, Phase::Piece, idle))
    }

    fn broken(&self, error: &io::Error) -> FetchError {
        if self.call.meter.is_exceeded() {
            return FetchError::EgressBytes { max: self.call.meter.max() };
        }
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<hyper::Error>());
        let reason = match inner {
            Some(error) => broken_reason(error),
            None => "it is not compressed as it says".to_owned(),
        };
        FetchError::Protocol { attempt: self.started.attempt(), reason }
    }

    fn end_with(&mut self, error: FetchError) -> FetchError {
        self.end();
        self.call.egress.tally.failed(error.category());
        error
    }

    fn end(&mut self) {
        self.source = Source::Nothing;
        self.waiting = None;
        self.flight = None;
    }
}

fn join(first: Bytes, second: Bytes) -> Bytes {
    if second.is_empty() { first } else { [first, second].concat().into() }
}

fn broken_reason(error: &hyper::Error) -> String {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::UnexpectedEof) => "it ended too early".to_owned(),
        Some(kind) => kind.to_string(),
        None => error.to_string(),
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = FetchError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, FetchError>>> {
        self.poll_piece(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_at_end()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}
