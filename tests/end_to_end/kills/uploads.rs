//! Whoever uploads components.

use serde_json::json;

use super::{
    deploys::text,
    ledger::Register,
    world::{Gone, Worker, World},
};
use crate::api::Api;

/// Uploads to a server of its own, each time a component of other bytes and of another name for what it adds.
pub(super) struct Uploader {
    api: Api,
    client: reqwest::Client,
    component: Vec<u8>,
    next: u64,
    uploaded: Register<u64>,
    versions: Vec<(String, u64)>,
}

const SERVER: &str = "uploads";

impl Uploader {
    pub(super) fn new(api: Api) -> Self {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/components/text-add.wat");
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            api,
            client,
            component: wat::parse_file(source).unwrap(),
            next: 1,
            uploaded: Register::empty(),
            versions: Vec::new(),
        }
    }

    pub(super) const fn uploaded(&self) -> usize {
        self.versions.len()
    }

    /// Every version is there, byte by byte, and the newest works.
    pub(super) async fn check(&mut self, world: &World) {
        self.look(world).await.expect("the program is up");
        for (version, number) in &self.versions {
            let url = format!("{}?version_id={version}", self.url("tools/add/component"));
            let answer = self.client.get(url).bearer_auth(&self.api.key).send().await.unwrap();
            assert_eq!(answer.status(), 200, "the component of version {version}");
            assert_eq!(answer.bytes().await.unwrap(), self.bytes(*number), "the component of version {version} is another");
            let body = json!({"arguments": {"a": 40, "b": 2}, "version_id": version});
            let tried = self.api.post(&format!("/api/v1/servers/{SERVER}/tools/add/try"), body).await.expect(200);
            assert_eq!(tried["result"], json!({"result": 42}), "version {version}");
        }
    }

    /// The component with a section that means nothing (id 0: size, length of its name, name).
    fn bytes(&self, number: u64) -> Vec<u8> {
        let name = format!("{number:08}");
        [self.component.as_slice(), &[0, 9, 8], name.as_bytes()].concat()
    }

    fn url(&self, rest: &str) -> String {
        format!("{}/api/v1/servers/{SERVER}/{rest}", self.api.base)
    }
}

impl Worker for Uploader {
    async fn step(&mut self, world: &World) -> Result<(), Gone> {
        let number = self.next;
        self.next += 1;
        let request = self.client.put(self.url("tools/add")).bearer_auth(&self.api.key);
        let request = request.header("content-type", "application/wasm").body(self.bytes(number));
        let answer = request.send().await.map_err(|_| Gone)?;
        let status = answer.status().as_u16();
        if matches!(status, 408 | 429 | 503) {
            return Err(Gone);
        }
        let request_id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body: serde_json::Value = answer.json().await.map_err(|_| Gone)?;
        assert_eq!(status, 201, "{body}");
        world.ledger.changed(&request_id, "put_component");
        self.versions.push((text(&body["version_id"]), number));
        self.uploaded.attempt(number);
        let release = (reqwest::Method::POST, "/api/v1/servers/uploads/releases");
        world.change(&self.api, "create_release", release, Some(json!({}))).await?;
        self.uploaded.acknowledge();
        Ok(())
    }

    async fn look(&mut self, world: &World) -> Result<(), Gone> {
        if self.uploaded.acknowledged().is_some() {
            let content = world.call(&self.api, SERVER, "add", json!({"a": 40, "b": 2})).await?;
            assert_eq!(content, json!({"result": 42}));
        }
        Ok(())
    }
}
