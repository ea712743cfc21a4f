//! A connection while one request uses it.

use std::{fmt, sync::Arc, time::Instant};

use crate::{
    Egress,
    call::Call,
    connector::{Connection, Origin},
};

/// Dropped, it closes the connection; given back, the connection waits for the next request.
pub(crate) struct Lease {
    egress: Arc<Egress>,
    owner: u128,
    is_shared: bool,
    origin: Arc<Origin>,
    connection: Connection,
}

impl Lease {
    pub(crate) fn new(call: &Call, origin: Arc<Origin>, connection: Connection) -> Self {
        Self {
            egress: Arc::clone(&call.egress),
            owner: call.permission.owner(),
            is_shared: call.permission.shares_connections(),
            origin,
            connection,
        }
    }

    /// The answer was read to its end. A host can answer before it has the whole request: that connection goes on sending, so it is closed.
    pub(crate) fn give_back(self) {
        if !self.is_shared || !self.connection.slot.sending.is_over() {
            return;
        }
        self.egress.pool.put(self.owner, self.origin, self.connection, Instant::now());
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Lease").field("origin", &self.origin).finish_non_exhaustive()
    }
}
