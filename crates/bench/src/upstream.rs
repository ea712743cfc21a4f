//! What tools fetch from, as `bench upstream` runs it in a process of its own: one answer at once, one after a while.

use std::time::Duration;

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};

use crate::{connection::BenchError, floor};

/// How long the slow answer takes.
pub(crate) const SLOW: Duration = Duration::from_secs(1);

/// Serves `/quick` and `/slow` until the process is killed.
pub(crate) async fn serve() -> Result<(), BenchError> {
    let slow = || async {
        tokio::time::sleep(SLOW).await;
        answer()
    };
    floor::listen(Router::new().route("/quick", get(|| async { answer() })).route("/slow", get(slow))).await
}

fn answer() -> Json<Value> {
    Json(json!({"sum": 42}))
}
