//! What the cases share: one server, its administrator, a neighbour.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bench::{
    connection::BenchError,
    server::{Server, directory},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{
    api::Api,
    auth::Account,
    case::{Miss, must},
    memory_level::MemoryLevel,
    neighbour::{self, Neighbour},
    tenant::Tenant,
    upstream::Upstream,
};

/// A running server, and whoever is there before a case begins.
pub(crate) struct World {
    // In the order in which they must end.
    neighbour: Neighbour,
    server: Server,
    data: TempDir,
    admin: Api,
    upstream: Upstream,
    other: Upstream,
    canary: Upstream,
    account: OnceCell<Account>,
    names: AtomicU32,
}

/// Tools that the server holds in memory.
pub(crate) const CACHED_TOOLS: usize = 24;

impl World {
    /// Starts the server and the neighbour.
    pub(crate) async fn start() -> Result<Self, BenchError> {
        let data = directory()?;
        let listen = || async { Upstream::start().await.map_err(BenchError::io("cannot listen")) };
        let (upstream, other, canary) = (listen().await?, listen().await?, listen().await?);
        let reachable = format!("upstream.localhost:{},other.localhost:{}", upstream.port(), other.port());
        let server = Server::start_with(data.path(), |command| {
            command.env("TOOLWRIGHT_EGRESS_ALLOW_PRIVATE", reachable);
            command.env("TOOLWRIGHT_CACHED_TOOLS_MAX", CACHED_TOOLS.to_string());
            // Cases wait for these.
            command.env("TOOLWRIGHT_HEADER_TIMEOUT_MS", "1000").env("TOOLWRIGHT_IDLE_TIMEOUT_S", "3");
        })
        .await?;
        let admin = Api::new(server.address, &server.admin_key).map_err(|miss| BenchError::Failed(miss.to_string()))?;
        let neighbour = Neighbour::start(&server).await?;
        Ok(Self { neighbour, server, data, admin, upstream, other, canary, account: OnceCell::new(), names: AtomicU32::new(0) })
    }

    pub(crate) const fn neighbour(&self) -> &Neighbour {
        &self.neighbour
    }

    pub(crate) const fn server(&self) -> &Server {
        &self.server
    }

    /// The administrator.
    pub(crate) const fn admin(&self) -> &Api {
        &self.admin
    }

    /// A hostile server that tools may reach, as `upstream.localhost`.
    pub(crate) const fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Another, as `other.localhost`.
    pub(crate) const fn other(&self) -> &Upstream {
        &self.other
    }

    /// One that no tool may reach, whatever it is granted.
    pub(crate) const fn canary(&self) -> &Upstream {
        &self.canary
    }

    /// Somebody with an account, once there is one.
    pub(crate) const fn account(&self) -> &OnceCell<Account> {
        &self.account
    }

    /// Checks that nobody came to it.
    pub(crate) fn canary_is_untouched(&self) -> Result<(), Miss> {
        let heads = self.canary.heads();
        must(heads.is_empty(), || format!("a private address was reached: {heads:?}"))
    }

    /// Somebody without a key.
    pub(crate) fn nobody(&self) -> Api {
        self.admin.by("")
    }

    pub(crate) fn memory(&self) -> MemoryLevel {
        MemoryLevel::of(self.server.id())
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> Result<String, Miss> {
        Ok(std::fs::read_to_string(self.log_path())?)
    }

    /// A name that nothing has yet.
    pub(crate) fn name(&self) -> String {
        format!("abuse-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// A new customer of a tier of its own: as `free`, but for `limits`, and with rates that no case reaches unless it says so.
    pub(crate) async fn tenant(&self, limits: &Value) -> Result<Tenant, Miss> {
        let tier = self.name();
        let free = self.admin.get("/admin/v1/tiers/free").await?.expect(200)?.json();
        let mut all = free.get("limits").cloned().unwrap_or_default();
        let calm = json!({"calls_per_minute_max": 100_000, "builds_per_hour_max": 6_000, "fuel_per_call_max": 1_000_000_000_u64, "wall_ms_max": 5_000});
        for (name, value) in [&calm, limits].into_iter().filter_map(Value::as_object).flatten() {
            if let Some(members) = all.as_object_mut() {
                members.insert(name.clone(), value.clone());
            }
        }
        self.admin.put(&format!("/admin/v1/tiers/{tier}"), &json!({"limits": all})).await?.expect(200)?;
        let customer = self.admin.post("/admin/v1/customers", &json!({"name": "Hostile", "tier": tier})).await?.expect(201)?;
        let id = customer.at("/customer_id");
        let made =
            self.admin.post(&format!("/admin/v1/customers/{id}/api-keys"), &json!({"name": "abuse"})).await?.expect(201)?;
        let api = self.admin.by(&made.at("/api_key"));
        self.make_known(&api).await?;
        Ok(Tenant::new(api, id, tier, all))
    }

    /// Waits until no guest runs but the neighbour's.
    pub(crate) async fn is_idle(&self) -> Result<(), Miss> {
        let mut running = 0;
        for _ in 0..100 {
            let metrics = self.admin.get("/metrics").await?.expect(200)?.text;
            let line = metrics.lines().find_map(|line| line.strip_prefix("toolwright_guests_running "));
            running = line.and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
            if running <= neighbour::CONNECTIONS {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Miss::new(format!("{running} guests still run")))
    }

    /// Uses a key once. Cases that send wrong keys use up what an address has of those, and until it has some again a new key is not looked at.
    async fn make_known(&self, api: &Api) -> Result<(), Miss> {
        let mut answer = api.get("/api/v1/servers").await?;
        for _ in 0..50 {
            if answer.status != 429 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            answer = api.get("/api/v1/servers").await?;
        }
        answer.expect(200).map(drop)
    }

    fn log_path(&self) -> PathBuf {
        self.data.path().join("server.log")
    }
}
