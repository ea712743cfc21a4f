//! Whether artifacts could be kept, as this node last saw it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use store::blobs::Obstacle;

use crate::App;

/// Between two looks. Each writes a small file and deletes it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What stands in the way of artifacts.
#[derive(Debug, Default)]
pub(crate) struct Disk(Mutex<Option<Obstacle>>);

impl Disk {
    /// What is said of it; `None` if all is well.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        self.obstacle().map(words)
    }

    fn obstacle(&self) -> Option<Obstacle> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, obstacle: Option<Obstacle>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = obstacle;
    }
}

/// What is said of a disk that takes no artifact.
pub(crate) const fn words(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Full => {
            "the disk that artifacts are kept on is full: nothing can be deployed until whoever runs this installation has made room"
        }
        Obstacle::Closed => {
            "the disk that artifacts are kept on takes nothing: nothing can be deployed until whoever runs this installation has seen to it"
        }
        Obstacle::Broken => {
            "the disk that artifacts are kept on does not work: nothing can be deployed until whoever runs this installation has seen to it"
        }
    }
}

/// Looks at it, for ever; the log is told when something changes.
pub(crate) async fn watch(app: std::sync::Arc<App>) {
    loop {
        let found = app.blobs.look().await.err();
        match (app.disk.obstacle(), found) {
            (before, Some(now)) if before != Some(now) => tracing::error!("{}", words(now)),
            (Some(_), None) => tracing::info!("the disk that artifacts are kept on takes them again"),
            _ => {}
        }
        app.disk.set(found);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
