//! A child process that is never left behind.

use std::{
    process::{Child, ExitStatus},
    time::Duration,
};

/// A child that is killed and waited for when it is dropped, whatever was dropped with it: a task, a future that was given up.
#[derive(Debug)]
pub(super) struct OwnedChild {
    child: Child,
    is_reaped: bool,
}

impl OwnedChild {
    pub(super) const fn new(child: Child) -> Self {
        Self { child, is_reaped: false }
    }

    pub(super) const fn get_mut(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time of its whole life, as far as the kernel still tells.
    pub(super) fn cpu(&self) -> Duration {
        read_cpu(self.child.id()).unwrap_or_default()
    }

    /// Whether it still lives.
    pub(super) fn lives(&mut self) -> bool {
        let has_ended = matches!(self.child.try_wait(), Ok(Some(_)));
        self.is_reaped |= has_ended;
        !has_ended
    }

    /// Kills it and waits until it is gone, which takes some milliseconds, most of them spent on giving its memory back. One that died by
    /// itself keeps its own status.
    pub(super) async fn end(mut self) -> (Option<ExitStatus>, Duration) {
        const STEP: Duration = Duration::from_millis(2);
        // The kernel keeps these numbers until the process is waited for.
        let cpu = self.cpu();
        let _ = self.child.kill();
        let status = loop {
            match self.child.try_wait() {
                Ok(None) => tokio::time::sleep(STEP).await,
                Ok(status) => break status,
                Err(_) => break None,
            }
        };
        self.is_reaped = true;
        (status, cpu)
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        if !self.is_reaped {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// User and system time of a process, from proc(5), `/proc/pid/stat`, fields 14 and 15. The second field, its name in brackets, can hold
/// anything, so that fields are counted from the last bracket.
fn read_cpu(pid: u32) -> Option<Duration> {
    /// `USER_HZ` is 100 on every architecture that this program runs on (time(7)).
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let user: u32 = fields.get(11)?.parse().ok()?;
    let system: u32 = fields.get(12)?.parse().ok()?;
    Some(TICK * user.saturating_add(system))
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Instant};

    use super::*;

    #[test]
    fn the_cpu_time_of_a_process_is_read_from_the_kernel() {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(100) {
            std::hint::spin_loop();
        }

        assert!(read_cpu(std::process::id()).unwrap() >= Duration::from_millis(10));
        assert_eq!(read_cpu(u32::MAX), None);
    }

    #[test]
    fn a_child_that_is_dropped_is_gone() {
        let child = OwnedChild::new(Command::new("sleep").arg("60").spawn().unwrap());
        let pid = child.id();

        drop(child);

        assert_eq!(read_cpu(pid), None);
    }
}
