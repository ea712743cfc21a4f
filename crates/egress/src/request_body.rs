//! The body of a request.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame, SizeHint};

use crate::sending::{Sending, SendingBody};

/// What a body that is streamed can fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that is there as a whole, or that comes in pieces.
#[derive(Debug)]
pub(crate) struct RequestBody {
    content: Content,
    /// The connection that it is sent by.
    sending: Option<SendingBody>,
}

#[derive(Debug)]
enum Content {
    Whole(Option<Bytes>),
    Streamed(UnsyncBoxBody<Bytes, BoxError>),
}

impl RequestBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { content: Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())), sending: None }
    }

    pub(crate) fn streamed<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self { content: Content::Streamed(body.map_err(Into::into).boxed_unsync()), sending: None }
    }

    /// The body as the one that `sending` waits for.
    pub(crate) fn sent_by(self, sending: &Arc<Sending>) -> Self {
        let Self { content, sending: before } = self;
        // Of a request that is sent once more the connection may be the same: the one before must not end the one that begins.
        drop(before);
        Self { content, sending: Some(sending.begin()) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match &mut self.content {
            Content::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Content::Streamed(body) => ready!(Pin::new(body).poll_frame(context)),
        };
        if let Some(sending) = &self.sending {
            sending.gave();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Streamed(body) => body.size_hint(),
        }
    }
}
