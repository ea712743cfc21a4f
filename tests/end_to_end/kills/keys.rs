//! Whoever makes keys, uses them and revokes them.

use reqwest::Method;
use serde_json::json;

use super::{
    chance::Chance,
    deploys::text,
    world::{Gone, STEADY, Worker, World},
};
use crate::api::Api;

/// The keys of one customer.
pub(super) struct KeyKeeper {
    admin: Api,
    path: String,
    chance: Chance,
    /// With their ids. Of one that the program went away under when it was to be revoked, nothing is known: it is in neither list.
    good: Vec<(String, Api)>,
    revoked: Vec<(String, Api)>,
}

impl KeyKeeper {
    pub(super) fn new(admin: Api, customer: &str, chance: Chance) -> Self {
        let path = format!("/admin/v1/customers/{customer}/api-keys");
        Self { admin, path, chance, good: Vec::new(), revoked: Vec::new() }
    }

    pub(super) const fn revoked(&self) -> usize {
        self.revoked.len()
    }

    /// Every key is good or not, as it was left.
    pub(super) async fn check(&self, world: &World) {
        for (id, key) in &self.good {
            world.add(key, STEADY, 1).await.unwrap_or_else(|Gone| panic!("key {id} is not good any more"));
        }
        for (id, key) in &self.revoked {
            refused(world, id, key).await.expect("the program is up");
        }
    }

    async fn make(&mut self, world: &World) -> Result<(), Gone> {
        let body = Some(json!({"name": "for a while"}));
        let made = world.change(&self.admin, "create_api_key", (Method::POST, &self.path), body).await?;
        self.good.push((text(&made["api_key_id"]), world.api(&text(&made["api_key"]))));
        Ok(())
    }

    async fn revoke(&mut self, world: &World) -> Result<(), Gone> {
        let (id, key) = self.good.swap_remove(self.chance.index(self.good.len()));
        // That it is known to the program must not keep it good.
        let _ = world.add(&key, STEADY, 1).await;
        let path = format!("{}/{id}", self.path);
        world.change(&self.admin, "delete_api_key", (Method::DELETE, &path), None).await?;
        self.revoked.push((id, key));
        Ok(())
    }
}

impl Worker for KeyKeeper {
    async fn step(&mut self, world: &World) -> Result<(), Gone> {
        if self.good.len() < 4 || self.chance.one_of(4) { self.make(world).await } else { self.revoke(world).await }
    }

    async fn look(&mut self, world: &World) -> Result<(), Gone> {
        if let Some((_, key)) = self.good.last() {
            world.add(key, STEADY, 2).await?;
        }
        match self.revoked.last() {
            Some((id, key)) => refused(world, id, key).await,
            None => Ok(()),
        }
    }
}

async fn refused(world: &World, id: &str, key: &Api) -> Result<(), Gone> {
    let answer = world.ask(key, Method::GET, "/api/v1/servers", None).await?;
    assert_eq!(answer.status, 401, "key {id} was revoked and is good");
    Ok(())
}
