//! What the platform tells about itself: logs and metrics.

pub mod logging;
mod metrics;

pub use metrics::{BuildResult, CallRefusal, ConnectionCut, Metrics, OpenConnection, ProcessFacts, Readings};
