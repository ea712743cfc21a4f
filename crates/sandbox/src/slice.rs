//! How long the kernel lets a thread of guests run while others want its processor. Whoever wakes meanwhile, the door's threads and those of short calls,
//! waits that long at worst.

use std::{marker::PhantomData, ptr, time::Duration};

/// A guest that has had more of the processor than this is no short call.
const SHORT_CALL: Duration = Duration::from_millis(1);
/// The kernel's least (`sched_setattr(2)`, `sched_runtime` of a thread without deadlines, Linux 6.12 and later; older ones have one length for all).
const SHORT_NS: u64 = 100_000;
/// The kernel's own.
const USUAL_NS: u64 = 0;
/// The thread keeps its policy (`SCHED_FLAG_KEEP_POLICY`).
const KEEP_POLICY: u64 = 0x08;

/// This thread has short slices, until this is dropped on it.
#[derive(Debug)]
pub(crate) struct ShortSlices(PhantomData<*const ()>);

/// Gives this thread short slices if the guest that it is about to run has had so much `cpu` before. They cost whoever has them a change of threads more often:
/// a short call keeps the usual ones.
pub(crate) fn fit(cpu: Duration) -> Option<ShortSlices> {
    (cpu > SHORT_CALL).then(|| {
        set(SHORT_NS);
        ShortSlices(PhantomData)
    })
}

impl Drop for ShortSlices {
    fn drop(&mut self) {
        set(USUAL_NS);
    }
}

/// The kernel may refuse, as where the thread runs under another policy than the usual one: the slice is a help, and nothing hangs on it.
#[expect(unsafe_code, reason = "no library has this system call; this is the only place that makes one itself")]
fn set(slice_ns: u64) {
    let (Ok(size), Ok(sched_nice)) = (u32::try_from(size_of::<libc::sched_attr>()), rustix::process::getpriority_process(None))
    else {
        return;
    };
    let attributes = libc::sched_attr {
        size,
        sched_policy: 0,
        sched_flags: KEEP_POLICY,
        sched_nice,
        sched_priority: 0,
        sched_runtime: slice_ns,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads the `size` bytes that `attributes` has, and writes none; 0 is this thread.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, ptr::from_ref(&attributes), 0) };
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    /// What the kernel says of this thread, in nanoseconds (proc(5), `/proc/pid/task/tid/sched`); absent if it has no slices of single threads.
    fn slice_ns() -> Option<u64> {
        let told = fs::read_to_string("/proc/thread-self/sched").ok()?;
        let line = told.lines().find(|line| line.starts_with("se.slice"))?;
        line.split(':').nth(1)?.trim().parse().ok()
    }

    #[test]
    fn a_thread_has_short_slices_while_its_guest_is_no_short_call() {
        thread::spawn(|| {
            let Some(usual_ns) = slice_ns() else { return };
            let niceness = rustix::process::getpriority_process(None);

            assert!(fit(Duration::from_micros(900)).is_none());
            assert_eq!(slice_ns(), Some(usual_ns));
            let short = fit(Duration::from_micros(1_100));
            assert_eq!(slice_ns(), Some(SHORT_NS));
            drop(short);
            assert_eq!(slice_ns(), Some(usual_ns));
            assert_eq!(rustix::process::getpriority_process(None), niceness);
        })
        .join()
        .unwrap();
    }
}
