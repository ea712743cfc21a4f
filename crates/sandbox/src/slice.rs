//! How long the kernel lets a thread of guests run while others want its processor. Whoever wakes meanwhile, the door's threads and those of short calls,
//! waits that long at worst.

use std::{cell::Cell, mem, time::Duration};

/// A guest that has had more of the processor than this is no short call.
const SHORT_CALL: Duration = Duration::from_millis(1);

/// The kernel's least (`sched_setattr(2)`, `sched_runtime` of a thread without deadlines, Linux 6.12 and later; older ones know no slices of single threads).
const SHORT_NS: u64 = 100_000;
/// The kernel's own.
const USUAL_NS: u64 = 0;

thread_local! {
    /// What was set last for this thread.
    static SLICE_NS: Cell<u64> = const { Cell::new(USUAL_NS) };
}

/// Sets the slice of this thread, which runs a guest that has had so much `cpu` so far. A short slice costs whoever has it a change of threads more often: a
/// short call keeps the usual one.
pub(crate) fn fit(cpu: Duration) {
    let wanted_ns = if cpu > SHORT_CALL { SHORT_NS } else { USUAL_NS };
    if SLICE_NS.replace(wanted_ns) != wanted_ns {
        set(wanted_ns);
    }
}

/// Does nothing where the thread has another policy than the usual one, or the kernel refuses: the slice is a help, and nothing hangs on it.
fn set(slice_ns: u64) {
    if let Some(attributes) = read()
        && [libc::SCHED_OTHER, libc::SCHED_BATCH].map(libc::c_int::unsigned_abs).contains(&attributes.sched_policy)
    {
        write(&libc::sched_attr { sched_runtime: slice_ns, ..attributes });
    }
}

/// How this thread is scheduled; its niceness must be said again with every change.
#[expect(unsafe_code, reason = "no library has this system call")]
fn read() -> Option<libc::sched_attr> {
    let size = u32::try_from(size_of::<libc::sched_attr>()).ok()?;
    // SAFETY: all members are numbers, for which zero is a value.
    let mut attributes: libc::sched_attr = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes `size` bytes at most to where the pointer points, which is so large; 0 is this thread.
    let answer = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    (answer == 0).then_some(attributes)
}

#[expect(unsafe_code, reason = "no library has this system call")]
fn write(attributes: &libc::sched_attr) {
    // SAFETY: the kernel reads as many bytes as `size` in the attributes says, which it wrote itself; 0 is this thread.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, std::ptr::from_ref(attributes), 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel says of this thread; absent if it knows no slices of single threads.
    fn slice_ns() -> Option<u64> {
        Some(read().unwrap().sched_runtime).filter(|slice_ns| *slice_ns > 0)
    }

    #[test]
    fn a_thread_has_a_short_slice_while_its_guest_is_no_short_call() {
        std::thread::spawn(|| {
            let Some(usual_ns) = slice_ns() else { return };
            let niceness = read().unwrap().sched_nice;

            fit(Duration::from_micros(900));
            assert_eq!(slice_ns(), Some(usual_ns));
            fit(Duration::from_micros(1_100));
            assert_eq!(slice_ns(), Some(SHORT_NS));
            fit(Duration::ZERO);
            assert_eq!(slice_ns(), Some(usual_ns));
            assert_eq!(read().unwrap().sched_nice, niceness);
        })
        .join()
        .unwrap();
    }
}
