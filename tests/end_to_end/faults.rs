//! What the program stands on goes away under load and comes back: the database, the disk, single artifacts, whoever reads the log.

#[path = "faults/artifacts.rs"]
mod artifacts;
#[path = "faults/database.rs"]
mod database;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/link.rs"]
mod link;
#[path = "faults/load.rs"]
mod load;
#[path = "faults/log.rs"]
mod log;
#[path = "faults/postgres.rs"]
mod postgres;
#[path = "faults/refusals.rs"]
mod refusals;
#[path = "faults/small_disk.rs"]
mod small_disk;

use std::time::{Duration, Instant};

/// Asks again until it is so, and says how long that took.
async fn until(what: &str, at_most: Duration, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < at_most, "after {at_most:?} it is not so: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    begun.elapsed()
}
