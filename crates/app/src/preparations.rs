//! What the node works out for a customer before anything of it runs: compiled schemas, what a server serves. It takes up to some tenths of a second,
//! and nobody is charged for it: so it is done on threads beside those that serve, few at one time, and customers take turns.

use std::{sync::Arc, time::Duration};

use domain::CustomerId;
use tokio::sync::Semaphore;

use crate::{AppError, limits::Permits};

/// The places for such work.
#[derive(Debug)]
pub(crate) struct Preparations {
    /// One a customer: who has much to be prepared waits behind itself.
    turns: Permits,
    /// Those of the node, in the order of asking.
    places: Arc<Semaphore>,
}

impl Preparations {
    /// At one time: a core does what people write in well under a millisecond, so that more would only take cores from calls.
    const AT_ONCE_MAX: usize = 2;
    /// How long somebody waits for both places: as long as it takes when a hundred others have the worst prepared that there can be.
    const WAIT_MAX: Duration = Duration::from_secs(30);

    /// Does `work` when it is `customer`'s turn. It is done to its end, in its place, also if whoever waits for it goes away: to go away and
    /// come again gains nothing. Refused with [`AppError::Busy`] where too many wait, or for too long.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        customer: CustomerId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AppError> {
        let waiting = async {
            let turn = self.turns.take(customer, 1, Self::WAIT_MAX).await.ok()?;
            let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
            Some((turn, place))
        };
        let places = tokio::time::timeout(Self::WAIT_MAX, waiting).await.ok().flatten();
        let places = places.ok_or(AppError::Busy { limit: None, retry_after_s: 1 })?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(places);
            done
        });
        done.await.map_err(|error| AppError::internal("what a node prepares for a customer broke off", error))
    }
}

impl Default for Preparations {
    fn default() -> Self {
        Self { turns: Permits::default(), places: Arc::new(Semaphore::new(Self::AT_ONCE_MAX)) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_customer_with_much_to_be_prepared_leaves_a_place_to_the_others() {
        let preparations = Preparations::default();
        let (greedy, other) = (CustomerId::new(), CustomerId::new());
        let (finish, finished) = mpsc::channel::<()>();
        let working = preparations.run(greedy, move || finished.recv_timeout(LONG).is_ok());
        assert!(tokio::time::timeout(SOON, working).await.is_err(), "whoever waited for it went away");

        let second = tokio::time::timeout(SOON, preparations.run(greedy, || ())).await;
        let of_other = tokio::time::timeout(LONG, preparations.run(other, || "done")).await;

        assert!(second.is_err(), "its place is taken until the work is done");
        assert!(matches!(of_other, Ok(Ok("done"))), "{of_other:?}");
        finish.send(()).unwrap();
        assert!(matches!(tokio::time::timeout(LONG, preparations.run(greedy, || 2)).await, Ok(Ok(2))));
    }

    #[tokio::test]
    async fn no_more_is_prepared_at_one_time_than_there_are_places_whoever_asks() {
        let preparations = Preparations::default();
        let (finish, finished) = mpsc::channel::<()>();
        let finished = Arc::new(std::sync::Mutex::new(finished));
        for _ in 0..Preparations::AT_ONCE_MAX {
            let finished = Arc::clone(&finished);
            let work = move || finished.lock().unwrap().recv_timeout(LONG).is_ok();
            assert!(tokio::time::timeout(SOON, preparations.run(CustomerId::new(), work)).await.is_err());
        }

        let one_more = tokio::time::timeout(SOON, preparations.run(CustomerId::new(), || ())).await;

        assert!(one_more.is_err());
        drop(finish);
        assert!(tokio::time::timeout(LONG, preparations.run(CustomerId::new(), || ())).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn work_that_breaks_off_leaves_its_place() {
        let preparations = Preparations::default();
        let customer = CustomerId::new();

        let broken = preparations.run(customer, || panic!("as a library might")).await;

        assert!(matches!(broken, Err(AppError::Internal { .. })), "{broken:?}");
        assert!(preparations.run(customer, || ()).await.is_ok());
    }
}
