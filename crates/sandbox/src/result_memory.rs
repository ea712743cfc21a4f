//! What a result takes of the node's memory after its guest has gone.

use std::sync::Arc;

use crate::budget::Reservation;

/// Bytes of a result from which on it counts: smaller ones are less than what the connection takes that they are sent on.
const LARGE_BYTES: u64 = 64 * 1024;

/// The result as it is, and as a message: as a text within a text, in which each quote takes two bytes, and once more as JSON.
const COPIES: u64 = 4;

/// The memory that a large result takes until it has been sent: a part of what its guest had, which counts as the customer's for so long. However
/// many calls answer at length to clients that read nothing, they have no more together than guests may have.
#[derive(Debug, Clone)]
pub struct ResultMemory(Arc<Reservation>);

impl ResultMemory {
    /// Of what a guest had, what its result of `bytes` takes; nothing of a small one.
    pub(crate) fn of(mut guest: Reservation, bytes: u64) -> Option<Self> {
        if bytes < LARGE_BYTES {
            return None;
        }
        guest.shrink_to(bytes.saturating_mul(COPIES));
        Some(Self(Arc::new(guest)))
    }

    /// Bytes that count.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}

impl PartialEq for ResultMemory {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}
