//! What the cases share: one server, its administrator, a neighbour.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use bench::{
    connection::BenchError,
    server::{Server, directory},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{api::Api, case::Miss, memory_level::MemoryLevel, neighbour::Neighbour, tenant::Tenant};

/// A running server, and whoever is there before a case begins.
pub(crate) struct World {
    // In the order in which they must end.
    neighbour: Neighbour,
    server: Server,
    data: TempDir,
    admin: Api,
    names: AtomicU32,
}

impl World {
    /// Starts the server and the neighbour.
    pub(crate) async fn start() -> Result<Self, BenchError> {
        let data = directory()?;
        let server = Server::start(data.path()).await?;
        let admin = Api::new(server.address, &server.admin_key).map_err(|miss| BenchError::Failed(miss.to_string()))?;
        let neighbour = Neighbour::start(&server).await?;
        Ok(Self { neighbour, server, data, admin, names: AtomicU32::new(0) })
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
        Ok(Tenant::new(self.admin.by(&made.at("/api_key")), id, tier, all))
    }

    fn log_path(&self) -> PathBuf {
        self.data.path().join("server.log")
    }
}
