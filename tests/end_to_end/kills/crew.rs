//! All who load the program.

use reqwest::Method;
use serde_json::json;
use tokio::task::{AbortHandle, JoinHandle};

use super::{
    callers::{Caller, Napper},
    chance::Chance,
    deploys::{Deployer, text},
    grants::Grants,
    keys::KeyKeeper,
    questions::Asker,
    secrets::SecretKeeper,
    uploads::Uploader,
    world::{STEADY, World},
};
use crate::{api::Api, browser::Browser, program::Program};

/// The server of the customer whose calls of the month are counted.
const COUNTED: &str = "counted";
/// What they have of these.
const CALLS_PER_MONTH: u64 = 20_000;
const DEPLOYERS: usize = 2;
const CALLERS: usize = 2;

/// At work.
pub(super) struct Crew {
    deployers: Vec<JoinHandle<Deployer>>,
    callers: Vec<JoinHandle<Caller>>,
    counted: JoinHandle<Caller>,
    uploader: JoinHandle<Uploader>,
    secrets: JoinHandle<SecretKeeper>,
    keys: JoinHandle<KeyKeeper>,
    grants: JoinHandle<Grants>,
    asker: JoinHandle<Asker>,
    napper: JoinHandle<Napper>,
}

/// With their work done.
pub(super) struct Dismissed {
    deployers: Vec<Deployer>,
    callers: Vec<Caller>,
    counted: Caller,
    uploader: Uploader,
    secrets: SecretKeeper,
    keys: KeyKeeper,
    grants: Grants,
    asker: Asker,
}

impl Crew {
    /// Makes what each of them works with, on a program that is ready.
    pub(super) async fn hire(world: &World, program: &Program, chance: &mut Chance) -> Self {
        let mut browser = Browser::new(program);
        browser.base = world.base();
        browser.sign_up().await;
        let (customer, owner) = own_customer(world).await;
        world.serve_steadily(&owner, STEADY).await;
        owner.create_server("uploads").await;
        let mut deployers = Vec::new();
        for number in 0..DEPLOYERS {
            let server = format!("deployed-{number}");
            owner.create_server(&server).await;
            deployers.push(world.spawn(Deployer::new(owner.clone(), &server, chance.branch())));
        }
        let counted = counted_customer(world).await;
        world.serve_steadily(&counted, COUNTED).await;
        Self {
            deployers,
            callers: (0..CALLERS).map(|_| world.spawn(Caller::new(owner.clone(), STEADY))).collect(),
            counted: world.spawn(Caller::new(counted, COUNTED)),
            uploader: world.spawn(Uploader::new(owner.clone())),
            secrets: world.spawn(SecretKeeper::new(owner.clone(), world).await),
            keys: world.spawn(KeyKeeper::new(world.admin(), &customer, chance.branch())),
            asker: world.spawn(Asker::new(owner.clone()).await),
            napper: world.spawn(Napper::new(owner).await),
            grants: world.spawn(Grants::new(browser, chance.branch())),
        }
    }

    /// None of them found something wrong.
    #[track_caller]
    pub(super) fn check_that_all_work(&self) {
        let several =
            self.deployers.iter().map(JoinHandle::abort_handle).chain(self.callers.iter().map(JoinHandle::abort_handle));
        let each = [
            self.counted.abort_handle(),
            self.uploader.abort_handle(),
            self.secrets.abort_handle(),
            self.keys.abort_handle(),
            self.grants.abort_handle(),
            self.asker.abort_handle(),
            self.napper.abort_handle(),
        ];
        assert!(!several.chain(each).any(|task: AbortHandle| task.is_finished()), "somebody gave up: see above");
    }

    /// Waits for them when the load is over.
    pub(super) async fn dismiss(self) -> Dismissed {
        async fn all<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
            let mut done = Vec::new();
            for task in tasks {
                done.push(task.await.unwrap());
            }
            done
        }
        self.napper.await.unwrap();
        Dismissed {
            deployers: all(self.deployers).await,
            callers: all(self.callers).await,
            counted: self.counted.await.unwrap(),
            uploader: self.uploader.await.unwrap(),
            secrets: self.secrets.await.unwrap(),
            keys: self.keys.await.unwrap(),
            grants: self.grants.await.unwrap(),
            asker: self.asker.await.unwrap(),
        }
    }
}

impl Dismissed {
    /// What was acknowledged to each of them is there and works; and each got something done at all.
    pub(super) async fn check(&mut self, world: &World) {
        let done = [
            ("versions", self.deployers.iter().map(Deployer::deployed).sum()),
            ("components", self.uploader.uploaded()),
            ("calls", self.callers.iter().chain([&self.counted]).map(|caller| caller.answered).sum()),
            ("secrets", self.secrets.changed()),
            ("revoked keys", self.keys.revoked()),
            ("refreshed tokens", self.grants.refreshed()),
            ("revoked authorizations", self.grants.revoked()),
            ("answered questions", self.asker.answered),
        ];
        assert!(done.iter().all(|(_, times)| *times > 0), "{done:?}");
        for deployer in &mut self.deployers {
            deployer.check(world).await;
        }
        self.uploader.check(world).await;
        self.secrets.check(world).await;
        self.keys.check(world).await;
        self.asker.check(world).await;
        self.grants.check(world).await;
    }

    /// Each call that was answered is charged, and what the killed lives had leased is no more than was asked of them.
    pub(super) fn check_charged(&self, charged: usize) {
        let Caller { sent, answered, .. } = self.counted;
        assert!(charged >= answered, "{answered} calls were answered and {charged} charged");
        assert!(charged <= 2 * sent, "{sent} calls were sent, {answered} of them answered, and {charged} charged");
    }
}

/// The customer of the person who signed up, without the bounds of a small tier.
async fn own_customer(world: &World) -> (String, Api) {
    let admin = world.admin();
    let listed = admin.get("/admin/v1/customers").await.expect(200);
    // The examples have one as well.
    let customer = listed["items"].as_array().unwrap().iter().find(|customer| customer["name"] != "Examples").unwrap();
    let id = text(&customer["customer_id"]);
    admin.patch(&format!("/admin/v1/customers/{id}"), json!({"tier": "enterprise"})).await.expect(200);
    let key = key_of(world, &id).await;
    (id, key)
}

async fn counted_customer(world: &World) -> Api {
    let admin = world.admin();
    let mut limits = admin.get("/admin/v1/tiers/enterprise").await.expect(200)["limits"].clone();
    limits["calls_per_month_max"] = json!(CALLS_PER_MONTH);
    admin.put("/admin/v1/tiers/counted", json!({"limits": limits})).await.expect(200);
    let customer = admin.post("/admin/v1/customers", json!({"name": "Counted", "tier": "counted"})).await.expect(201);
    key_of(world, &text(&customer["customer_id"])).await
}

async fn key_of(world: &World, customer: &str) -> Api {
    let path = format!("/admin/v1/customers/{customer}/api-keys");
    let made = world.admin().send(Method::POST, &path, Some(json!({"name": "test"}))).await.unwrap().expect(201);
    world.api(&text(&made["api_key"]))
}
