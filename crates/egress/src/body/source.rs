//! Where the pieces of a body come from: the connection, and a decoder in between if the host compressed it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_compression::tokio::bufread::{GzipDecoder, ZlibDecoder};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::HeaderMap;
use hyper::body::{Body, Incoming};
use tokio_util::io::{StreamReader, poll_read_buf};

use crate::exchange::Lease;

/// What a decoder gives at one time.
const PIECE_BYTES: usize = 16 << 10;

/// How a body was compressed: both take windows of 32 KiB, whatever the host writes. Brotli's are as large as it says, up to 1 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

/// The pieces of a body.
#[derive(Debug)]
pub(crate) enum Source {
    Nothing,
    Plain(Wire),
    Gzip(Box<GzipDecoder<StreamReader<Wire, Bytes>>>),
    Deflate(Box<ZlibDecoder<StreamReader<Wire, Bytes>>>),
}

/// The body as it is on the connection, which is given back after the last piece.
#[derive(Debug)]
pub(crate) struct Wire {
    incoming: Incoming,
    lease: Option<Lease>,
}

impl Encoding {
    /// What `Content-Encoding` says; `Err` with what it says if that was not asked for: it could hide a secret from the masks.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let mut found = Self::Identity;
        for value in headers.get_all(http::header::CONTENT_ENCODING) {
            for word in value.as_bytes().split(|byte| *byte == b',') {
                let word = word.trim_ascii().to_ascii_lowercase();
                let one = match word.as_slice() {
                    b"" | b"identity" => continue,
                    b"gzip" | b"x-gzip" => Self::Gzip,
                    b"deflate" => Self::Deflate,
                    _ => return Err("it is compressed in a way that was not asked for".to_owned()),
                };
                if found != Self::Identity {
                    return Err("it is compressed more than once".to_owned());
                }
                found = one;
            }
        }
        Ok(found)
    }
}

impl Source {
    pub(crate) fn new(wire: Wire, encoding: Encoding) -> Self {
        match encoding {
            Encoding::Identity => Self::Plain(wire),
            Encoding::Gzip => Self::Gzip(Box::new(GzipDecoder::new(StreamReader::new(wire)))),
            Encoding::Deflate => Self::Deflate(Box::new(ZlibDecoder::new(StreamReader::new(wire)))),
        }
    }

    /// Whether a decoder stands before the connection.
    pub(crate) const fn is_encoded(&self) -> bool {
        matches!(self, Self::Gzip(_) | Self::Deflate(_))
    }

    /// Whether it is known that nothing follows, as it is with the last byte of a body whose length was told. The connection is given back then.
    pub(crate) fn is_over(&mut self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Plain(wire) => {
                let is_over = wire.incoming.is_end_stream();
                if is_over {
                    wire.give_back();
                }
                is_over
            }
            // Their decoders know it, but not before they are asked for more.
            Self::Gzip(_) | Self::Deflate(_) => false,
        }
    }

    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut buffer = BytesMut::with_capacity(if matches!(self, Self::Nothing | Self::Plain(_)) { 0 } else { PIECE_BYTES });
        let read = match self {
            Self::Nothing => return Poll::Ready(None),
            Self::Plain(wire) => return Pin::new(wire).poll_next(context),
            Self::Gzip(decoder) => ready!(poll_read_buf(Pin::new(decoder), context, &mut buffer)),
            Self::Deflate(decoder) => ready!(poll_read_buf(Pin::new(decoder), context, &mut buffer)),
        };
        match read {
            Ok(0) => {
                // The decoder knows its end before the connection does. What comes after it is nobody's, and closes the connection.
                let rest = self.wire().map(|wire| Pin::new(wire).poll_next(context));
                drop(rest);
                Poll::Ready(None)
            }
            Ok(_) => Poll::Ready(Some(Ok(buffer.freeze()))),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn wire(&mut self) -> Option<&mut Wire> {
        match self {
            Self::Nothing => None,
            Self::Plain(wire) => Some(wire),
            Self::Gzip(decoder) => Some(decoder.get_mut().get_mut()),
            Self::Deflate(decoder) => Some(decoder.get_mut().get_mut()),
        }
    }
}

impl Wire {
    pub(crate) const fn new(incoming: Incoming, lease: Lease) -> Self {
        Self { incoming, lease: Some(lease) }
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl Stream for Wire {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match ready!(Pin::new(&mut self.incoming).poll_frame(context)) {
                // Trailers are nobody's here: JavaScript has no word for them.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if !piece.is_empty() => return Poll::Ready(Some(Ok(piece))),
                    _ => {}
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                None => {
                    self.give_back();
                    return Poll::Ready(None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::CONTENT_ENCODING};

    use super::*;

    fn encoding(values: &[&'static str]) -> Result<Encoding, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        Encoding::of(&headers)
    }

    #[test]
    fn only_what_was_asked_for_is_decoded() {
        assert_eq!(encoding(&[]), Ok(Encoding::Identity));
        assert_eq!(encoding(&["GZIP"]), Ok(Encoding::Gzip));
        assert_eq!(encoding(&["identity, deflate"]), Ok(Encoding::Deflate));
        for values in [&["zstd"][..], &["br"], &["identity, BR"], &["gzip, gzip"], &["gzip", "deflate"], &["rot13"]] {
            assert!(encoding(values).is_err(), "{values:?}");
        }
    }
}
