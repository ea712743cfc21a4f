//! The clock of one call, which stands still while the call waits for its client and for nothing else.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::{Duration, Instant},
};

/// When a call must end. Clones are of the same clock.
#[derive(Debug, Clone)]
pub(crate) struct Wall(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    deadline: Instant,
    stood_still: Duration,
    stands_since: Option<Instant>,
}

/// The clock stands still for as long as this is held.
#[derive(Debug)]
pub(crate) struct Pause(Wall);

impl Wall {
    pub(crate) fn new(deadline: Instant) -> Self {
        Self(Arc::new(Mutex::new(Hands { deadline, stood_still: Duration::ZERO, stands_since: None })))
    }

    /// Stops the clock.
    pub(crate) fn pause(&self) -> Pause {
        self.hands().stands_since = Some(Instant::now());
        Pause(self.clone())
    }

    /// How long it stood still in all.
    pub(crate) fn stood_still(&self) -> Duration {
        let hands = self.hands();
        hands.stood_still + hands.stands_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Ends when the call's time is over. It is polled with the guest that stops the clock, in one task, and so sees it.
    pub(crate) async fn is_over(&self) {
        let mut sleep = pin!(tokio::time::sleep_until(self.hands().deadline.into()));
        poll_fn(|context| {
            let Some(deadline) = self.deadline() else { return Poll::Pending };
            if sleep.deadline() != deadline.into() {
                sleep.as_mut().reset(deadline.into());
            }
            sleep.as_mut().poll(context)
        })
        .await;
    }

    /// None while it stands still.
    fn deadline(&self) -> Option<Instant> {
        let hands = self.hands();
        if hands.stands_since.is_some() { None } else { Some(hands.deadline) }
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pause {
    /// Lets the clock go on; how long it stood still.
    pub(crate) fn end(self) -> Duration {
        let before = self.0.hands().stood_still;
        let wall = self.0.clone();
        drop(self);
        wall.stood_still().saturating_sub(before)
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        let mut hands = self.0.hands();
        if let Some(since) = hands.stands_since.take() {
            let stood = since.elapsed();
            hands.stood_still += stood;
            hands.deadline += stood;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_clock_that_stood_still_ends_the_call_that_much_later() {
        let begun = Instant::now();
        let wall = Wall::new(begun + Duration::from_millis(50));
        let guest = async {
            let pause = wall.pause();
            tokio::time::sleep(Duration::from_millis(120)).await;
            assert!(pause.end() >= Duration::from_millis(120));
            std::future::pending::<()>().await;
        };

        tokio::select! {
            biased;
            () = guest => {}
            () = wall.is_over() => {}
        }

        assert!(begun.elapsed() >= Duration::from_millis(170), "{:?}", begun.elapsed());
        assert!(wall.stood_still() < begun.elapsed());
    }
}
