//! Bodies that take memory of the node for as long as they are not sent.

use app::ResultMemory;
use axum::body::{Body, Bytes};

/// Bytes, and what they take: it is given back when the last of them has gone to the client, or the client is gone.
struct Held {
    bytes: Vec<u8>,
    _memory: ResultMemory,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A body of these bytes.
pub(crate) fn body(bytes: Vec<u8>, memory: Option<ResultMemory>) -> Body {
    match memory {
        Some(memory) => Body::from(Bytes::from_owner(Held { bytes, _memory: memory })),
        None => Body::from(bytes),
    }
}
