//! What the allocator of this program does with memory that nobody needs any more.

use tikv_jemalloc_ctl::background_thread;
use tracing::warn;

/// Has a thread give unused memory back to the system within some ten seconds, also that of threads which have nothing to do any more. Only
/// a process that lives long needs it.
pub(crate) fn give_back_unused() {
    if let Err(error) = background_thread::write(true) {
        warn!(%error, "memory that is not needed any more is given back late");
    }
}
