//! Whoever calls tools.

use serde_json::json;

use super::world::{Gone, Worker, World};
use crate::api::{Api, sleeper};

/// Calls the tool that always adds the same.
pub(super) struct Caller {
    api: Api,
    server: &'static str,
    next: i64,
    /// Those that were sent, and of them those that were answered.
    pub(super) sent: usize,
    pub(super) answered: usize,
}

/// Longer than most lives last, and than a call needs to have a row while it runs.
const NAP_MS: u32 = 3_000;

/// Calls a tool that takes its time.
pub(super) struct Napper {
    api: Api,
}

impl Caller {
    pub(super) const fn new(api: Api, server: &'static str) -> Self {
        Self { api, server, next: 0, sent: 0, answered: 0 }
    }
}

impl Worker for Caller {
    async fn step(&mut self, world: &World) -> Result<(), Gone> {
        self.next += 1;
        self.sent += 1;
        world.add(&self.api, self.server, self.next).await?;
        self.answered += 1;
        // Others are to come to their turn as well.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        Ok(())
    }

    async fn look(&mut self, world: &World) -> Result<(), Gone> {
        self.step(world).await
    }
}

impl Napper {
    pub(super) async fn new(api: Api) -> Self {
        api.create_server("beds").await;
        api.put_tool("beds", "nap", &sleeper("nap", NAP_MS)).await;
        api.release("beds").await;
        Self { api }
    }
}

impl Worker for Napper {
    async fn step(&mut self, world: &World) -> Result<(), Gone> {
        world.call(&self.api, "beds", "nap", json!({})).await.map(drop)
    }

    async fn look(&mut self, _world: &World) -> Result<(), Gone> {
        Ok(())
    }
}
