//! The floor: a plain axum JSON echo, as `bench floor` runs it in a process of its own.

use std::io::Write as _;

use axum::{Json, Router, routing::post};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::connection::BenchError;

/// Serves the echo until the process is killed.
pub(crate) async fn serve() -> Result<(), BenchError> {
    listen(Router::new().route("/echo", post(|Json(body): Json<Value>| async { Json(body) }))).await
}

/// Serves `router` on a free port of loopback, after printing its address.
pub(crate) async fn listen(router: Router) -> Result<(), BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(BenchError::io("cannot listen"))?;
    let address = listener.local_addr().map_err(BenchError::io("cannot tell the address"))?;
    let mut out = std::io::stdout();
    writeln!(out, "{address}").and_then(|()| out.flush()).map_err(BenchError::io("cannot tell the address"))?;
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // Without it an answer waits for the client's delayed acknowledgement; if it cannot be set, the figure shows it.
        stream.set_nodelay(true).ok();
    });
    axum::serve(listener, router).await.map_err(BenchError::io("the part's server ended"))
}
