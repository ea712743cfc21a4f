//! What all who load the program share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Upstream, UpstreamAnswer};
use tokio::task::JoinHandle;

use super::{door::Door, ledger::Ledger};
use crate::{
    api::{Answer, Api, adder},
    program::ADMIN_KEY,
};

/// The server of the customer that most of the load is of, whose tool is never changed.
pub(super) const STEADY: &str = "steady";
/// What such a tool adds.
pub(super) const STEADY_PLUS: i64 = 7;

/// After a request that was not acknowledged.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(15);

/// A request that was not acknowledged: the program went away under it, or would not take it now.
#[derive(Debug)]
pub(super) struct Gone;

/// Somebody who loads the program, and remembers what was acknowledged.
pub(super) trait Worker: Send + 'static {
    /// The next thing that it does.
    fn step(&mut self, world: &World) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Whether what it knows best is there; at the beginning of each life, so it must be cheap.
    fn look(&mut self, world: &World) -> impl Future<Output = Result<(), Gone>> + Send;
}

/// Clones are the same world.
#[derive(Clone)]
pub(super) struct World(Arc<Shared>);

pub(super) struct Shared {
    pub(super) door: Door,
    /// Where a tool sends its secret.
    pub(super) upstream: Upstream,
    pub(super) ledger: Ledger,
    life: AtomicU32,
    load: AtomicU8,
}

/// What whoever loads the program is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Load {
    Goes,
    Rests,
    IsOver,
}

impl World {
    pub(super) async fn new() -> Self {
        let upstream = Upstream::start(|_| UpstreamAnswer::json(&json!({}))).await;
        Self(Arc::new(Shared {
            door: Door::open().await,
            upstream,
            ledger: Ledger::default(),
            life: AtomicU32::new(0),
            load: AtomicU8::new(Load::Rests as u8),
        }))
    }

    pub(super) fn base(&self) -> String {
        format!("http://{}", self.door.address)
    }

    /// Whoever has this key, through all lives.
    pub(super) fn api(&self, key: &str) -> Api {
        Api::new(self.door.address, key)
    }

    pub(super) fn admin(&self) -> Api {
        self.api(ADMIN_KEY)
    }

    /// The number of the life that was begun last.
    pub(super) fn life(&self) -> u32 {
        self.life.load(Ordering::SeqCst)
    }

    pub(super) fn begin_life(&self) {
        self.life.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn set_load(&self, load: Load) {
        self.load.store(load as u8, Ordering::SeqCst);
    }

    /// Has `worker` do its steps while the load goes, and a look at the program at the beginning of each life; gives it back in the end.
    pub(super) fn spawn<W: Worker>(&self, mut worker: W) -> JoinHandle<W> {
        let (world, mut seen) = (self.clone(), 0);
        tokio::spawn(async move {
            loop {
                let (load, life) = (world.load(), world.life());
                let done = match load {
                    Load::IsOver => return worker,
                    Load::Rests => Err(Gone),
                    Load::Goes if seen != life => worker.look(&world).await.map(|()| seen = life),
                    Load::Goes => worker.step(&world).await,
                };
                if done.is_err() {
                    tokio::time::sleep(TRY_AGAIN_AFTER).await;
                }
            }
        })
    }

    fn load(&self) -> Load {
        [Load::Goes, Load::Rests, Load::IsOver][usize::from(self.load.load(Ordering::SeqCst))]
    }

    /// Sends a request; an answer that asks to come again later is none.
    pub(super) async fn ask(&self, api: &Api, method: Method, path: &str, body: Option<Value>) -> Result<Answer, Gone> {
        let answer = api.send(method, path, body).await.map_err(|_| Gone)?;
        if matches!(answer.status, 408 | 429 | 503) { Err(Gone) } else { Ok(answer) }
    }

    /// The customer of `owner` serves the tool `add`, which is never changed.
    pub(super) async fn serve_steadily(&self, owner: &Api, server: &str) {
        owner.create_server(server).await;
        owner.put_tool(server, "add", &adder("add", STEADY_PLUS)).await;
        owner.release(server).await;
    }

    /// Changes something, which is acknowledged from then on.
    pub(super) async fn change(
        &self,
        api: &Api,
        operation: &'static str,
        (method, path): (Method, &str),
        body: Option<Value>,
    ) -> Result<Value, Gone> {
        let answer = self.ask(api, method, path, body).await?;
        assert!((200..300).contains(&answer.status), "{operation} was refused: {answer:?}");
        self.ledger.changed(&answer.request_id, operation);
        Ok(answer.body)
    }

    /// Calls a tool; its structured content.
    pub(super) async fn call(&self, api: &Api, server: &str, tool: &str, arguments: Value) -> Result<Value, Gone> {
        let life = self.life();
        let answer = api.call(server, tool, arguments).await.map_err(|_| Gone)?;
        if matches!(answer.status, 408 | 429 | 503) {
            return Err(Gone);
        }
        let result = &answer.body["result"];
        assert!(answer.status == 200 && result["isError"] != true, "{server}/{tool} was not called: {answer:?}");
        self.ledger.called(&answer.request_id, life);
        Ok(result["structuredContent"].clone())
    }

    /// Calls the tool `add` of a server where it adds the same through all lives.
    pub(super) async fn add(&self, api: &Api, server: &str, n: i64) -> Result<(), Gone> {
        let content = self.call(api, server, "add", json!({ "n": n })).await?;
        assert_eq!(content, json!({ "sum": n + STEADY_PLUS }), "{server}");
        Ok(())
    }
}

impl std::ops::Deref for World {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
