//! What the platform tells about itself: logs and metrics.

mod lines;
pub mod logging;
mod metrics;

pub use lines::LostLines;
pub use metrics::{BuildResult, CallRefusal, ConnectionCut, Metrics, OpenConnection, ProcessFacts, Readings};
