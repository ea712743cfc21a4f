//! Whether a request is still on its way to the host.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// How far the request of one connection is. A host may answer before it was sent whole: what is left of it goes on being sent, by a
/// connection that then must not be anyone else's.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// More may come from the body.
    has_body: AtomicBool,
    /// Something of the request may be in a buffer between the body and the socket.
    has_rest: AtomicBool,
}

/// Goes with a request's body, and says when nothing more comes of it.
#[derive(Debug)]
pub(crate) struct SendingBody(Arc<Sending>);

impl Sending {
    /// Another request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> SendingBody {
        self.has_rest.store(true, Ordering::Release);
        self.has_body.store(true, Ordering::Release);
        SendingBody(Arc::clone(self))
    }

    /// All that the body gave so far is with the system.
    pub(crate) fn flushed(&self) {
        self.has_rest.store(false, Ordering::Release);
    }

    /// Whether nothing of the request is left to be sent.
    pub(crate) fn is_over(&self) -> bool {
        // In this order: the body's last piece is marked as a rest before the body goes.
        !self.has_body.load(Ordering::Acquire) && !self.has_rest.load(Ordering::Acquire)
    }
}

impl SendingBody {
    /// The body gives a piece, or its end.
    pub(crate) fn gave(&self) {
        self.0.has_rest.store(true, Ordering::Release);
    }
}

impl Drop for SendingBody {
    fn drop(&mut self) {
        self.gave();
        self.0.has_body.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_over_when_its_body_is_gone_and_its_last_piece_was_sent() {
        let sending = Arc::new(Sending::default());
        let body = sending.begin();
        assert!(!sending.is_over());

        sending.flushed();
        assert!(!sending.is_over(), "the body may give more");
        body.gave();
        sending.flushed();
        drop(body);
        assert!(!sending.is_over(), "the last of it, be it the head alone, is in a buffer");
        sending.flushed();

        assert!(sending.is_over());
    }
}
