//! What one call has of the outside: its way out, and what it holds open there.

use std::borrow::Cow;

use egress::Outbound;
use tokio::runtime::Handle;

use crate::host::{Bodies, cut};

/// The longest form in which a value of a secret is looked for: an environment value with its user, in base64 or percent-encoded.
pub(crate) const SECRET_BYTES_MAX: usize = 32 * 1024;

/// A call's outside. It goes with the guest's store, and whatever is in flight goes with it.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) outbound: Option<Outbound>,
    /// The runtime on which requests go on while the guest computes; guests' own threads drive no sockets.
    pub(crate) io: Handle,
    pub(crate) bodies: Bodies,
    /// What requests that are in flight hold of the host's memory.
    pub(crate) sending: Sending,
}

/// Bytes of requests: copies in the host's memory until they have ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) body_bytes: u64,
    /// Of the texts that say where to and how, with what else a request takes that waits for its turn.
    pub(crate) head_bytes: u64,
}

impl Sending {
    pub(crate) const fn and(self, more: Self) -> Self {
        Self {
            body_bytes: self.body_bytes.saturating_add(more.body_bytes),
            head_bytes: self.head_bytes.saturating_add(more.head_bytes),
        }
    }

    pub(crate) const fn without(self, ended: Self) -> Self {
        Self {
            body_bytes: self.body_bytes.saturating_sub(ended.body_bytes),
            head_bytes: self.head_bytes.saturating_sub(ended.head_bytes),
        }
    }
}

impl Outside {
    pub(crate) fn new(outbound: Option<Outbound>, io: Handle) -> Self {
        Self { outbound, io, bodies: Bodies::default(), sending: Sending::default() }
    }

    /// Bytes sent and received.
    pub(crate) fn bytes(&self) -> u64 {
        self.outbound.as_ref().map_or(0, Outbound::bytes)
    }

    /// `text` without values of secrets (SEC-16).
    pub(crate) fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.outbound.as_ref().map_or(Cow::Borrowed(text), |outbound| outbound.mask(text))
    }

    /// The beginning of `text`, `bytes_max` bytes at most, without values of secrets and without the beginning of one.
    pub(crate) fn mask_beginning(&self, text: &str, bytes_max: usize) -> String {
        mask_beginning(self.outbound.as_ref(), text, bytes_max)
    }
}

/// As [`Outside::mask_beginning`], for what has the way out alone.
pub(crate) fn mask_beginning(outbound: Option<&Outbound>, text: &str, bytes_max: usize) -> String {
    let Some(outbound) = outbound else { return cut(text, bytes_max).to_owned() };
    let taken = cut(text, bytes_max.saturating_add(SECRET_BYTES_MAX));
    let masked = outbound.mask(taken);
    // What was taken may end within a secret, which then is not known for one.
    let sure_bytes = if taken.len() < text.len() { masked.len().saturating_sub(SECRET_BYTES_MAX) } else { masked.len() };
    cut(&masked, bytes_max.min(sure_bytes)).to_owned()
}
