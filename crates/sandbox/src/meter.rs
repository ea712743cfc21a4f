//! The CPU time of a future: that of the thread it is polled on, summed over its polls.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// A future, pinned by whoever made it, with its CPU time.
#[derive(Debug)]
pub(crate) struct Metered<F> {
    future: F,
    cpu: Duration,
}

impl<F: Future + Unpin> Metered<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future, cpu: Duration::ZERO }
    }

    /// CPU time of all polls so far.
    pub(crate) fn cpu(&self) -> Duration {
        self.cpu
    }

    /// As [`Metered::cpu`], in microseconds.
    pub(crate) fn cpu_us(&self) -> u64 {
        u64::try_from(self.cpu.as_micros()).unwrap_or(u64::MAX)
    }
}

impl<F: Future + Unpin> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let begun = thread_cpu_time();
        let state = Pin::new(&mut self.future).poll(context);
        self.cpu += thread_cpu_time().saturating_sub(begun);
        state
    }
}

fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_counted_and_waiting_is_not() {
        let mut metered = Metered::new(Box::pin(async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let begun = thread_cpu_time();
            while thread_cpu_time().saturating_sub(begun) < Duration::from_millis(5) {}
        }));

        (&mut metered).await;

        assert!((5_000..40_000).contains(&metered.cpu_us()), "{} us", metered.cpu_us());
    }
}
