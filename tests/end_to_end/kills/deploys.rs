//! Whoever deploys: versions, releases, values of the environment, and steps back to earlier releases.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    chance::Chance,
    ledger::Register,
    world::{Gone, Worker, World},
};
use crate::api::{Api, adder};

/// Deploys to a server of its own.
pub(super) struct Deployer {
    api: Api,
    server: String,
    chance: Chance,
    /// The number of the next version, which its tool adds.
    next: i64,
    /// What the served tool adds.
    served: Register<i64>,
    value: Register<String>,
    versions: Vec<(String, i64)>,
    releases: Vec<(String, i64)>,
}

impl Deployer {
    pub(super) fn new(api: Api, server: &str, chance: Chance) -> Self {
        Self {
            api,
            server: server.to_owned(),
            chance,
            next: 1,
            served: Register::empty(),
            value: Register::empty(),
            versions: Vec::new(),
            releases: Vec::new(),
        }
    }

    pub(super) const fn deployed(&self) -> usize {
        self.versions.len()
    }

    /// Everything that was acknowledged: each version runs, each release is there.
    pub(super) async fn check(&mut self, world: &World) {
        self.look(world).await.expect("the program is up");
        for (version, plus) in &self.versions {
            let body = json!({"arguments": {"n": 1}, "version_id": version});
            let tried = self.api.post(&self.path("tools/add/try"), body).await.expect(200);
            assert_eq!(tried["result"], json!({"sum": 1 + plus}), "version {version} of {}", self.server);
        }
        for (release, _) in &self.releases {
            self.api.get(&self.path(&format!("releases/{release}"))).await.expect(200);
        }
    }

    async fn deploy(&mut self, world: &World) -> Result<(), Gone> {
        let plus = self.next;
        self.next += 1;
        self.value.attempt(plus.to_string());
        let body = json!({"value": plus.to_string(), "secret": false});
        world.change(&self.api, "put_environment", (Method::PUT, &self.path("env/VALUE")), Some(body)).await?;
        self.value.acknowledge();
        let body = json!({"language": "typescript", "source": adder("add", plus)});
        let version = world.change(&self.api, "put_tool", (Method::PUT, &self.path("tools/add")), Some(body)).await?;
        self.versions.push((text(&version["version_id"]), plus));
        self.served.attempt(plus);
        let made = world.change(&self.api, "create_release", (Method::POST, &self.path("releases")), Some(json!({}))).await?;
        self.served.acknowledge();
        self.releases.push((text(&made["release_id"]), plus));
        Ok(())
    }

    async fn roll_back(&mut self, world: &World) -> Result<(), Gone> {
        let (release, plus) = self.releases[self.chance.index(self.releases.len())].clone();
        self.served.attempt(plus);
        let body = json!({ "release_id": release });
        world.change(&self.api, "roll_back", (Method::POST, &self.path("rollback")), Some(body)).await?;
        self.served.acknowledge();
        Ok(())
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/servers/{}/{rest}", self.server)
    }
}

impl Worker for Deployer {
    async fn step(&mut self, world: &World) -> Result<(), Gone> {
        if !self.releases.is_empty() && self.chance.one_of(3) { self.roll_back(world).await } else { self.deploy(world).await }
    }

    async fn look(&mut self, world: &World) -> Result<(), Gone> {
        if self.value.acknowledged().is_some() {
            let found = world.ask(&self.api, Method::GET, &self.path("env/VALUE"), None).await?.expect(200);
            self.value.check(&format!("the value of {}", self.server), &text(&found["value"]));
        }
        if self.served.acknowledged().is_some() {
            let content = world.call(&self.api, &self.server, "add", json!({"n": 0})).await?;
            self.served.check(&format!("what {} adds", self.server), &content["sum"].as_i64().unwrap());
        }
        Ok(())
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text but {value}")).to_owned()
}
