//! What the allocator of this program does with memory that nobody needs any more.

use std::{io, ptr};

use tracing::warn;

/// Has a thread give unused memory back to the system within some ten seconds, also that of threads which have nothing to do any more. Only
/// a process that lives long needs it.
#[expect(unsafe_code, reason = "jemalloc is told by a function of C")]
pub(crate) fn give_back_unused() {
    let mut on = true;
    // SAFETY: the name ends with a zero, nothing is read, and of the value, a `bool` (jemalloc(3), `background_thread`), just its own bytes are written.
    let failed = unsafe {
        let name = c"background_thread".as_ptr();
        tikv_jemalloc_sys::mallctl(name, ptr::null_mut(), ptr::null_mut(), (&raw mut on).cast(), size_of::<bool>())
    };
    if failed != 0 {
        let error = io::Error::from_raw_os_error(failed);
        warn!(%error, "memory that is not needed any more is given back late");
    }
}
