//! Whoever changes a secret, and looks at what an upstream is sent.

use reqwest::Method;
use serde_json::json;

use super::{
    ledger::Register,
    world::{Gone, Worker, World},
};
use crate::api::Api;

const SERVER: &str = "telling";
const TELL: &str = r#"
import { tool } from "toolwright";
export default tool({
  name: "tell", description: "Sends its secret away.",
  input: { type: "object", properties: { url: { type: "string" } }, required: ["url"] },
  async run({ url }, ctx) {
    const answer = await fetch(url, { headers: { "x-told": ctx.secret("KEY") } });
    return { status: answer.status };
  },
});
"#;

/// Changes one secret, over and over.
pub(super) struct SecretKeeper {
    api: Api,
    next: u32,
    secret: Register<String>,
    changed: usize,
    told: u32,
}

impl SecretKeeper {
    pub(super) async fn new(api: Api, world: &World) -> Self {
        let grants = json!({"hosts": [world.upstream.grant()], "secrets": {"KEY": [world.upstream.host()]}});
        api.create_server(SERVER).await;
        api.put("/api/v1/servers/telling/env/KEY", json!({"value": "value-0", "secret": true})).await.expect(200);
        let body = json!({"language": "typescript", "source": TELL, "grants": grants});
        api.put("/api/v1/servers/telling/tools/tell", body).await.expect(201);
        api.release(SERVER).await;
        let mut secret = Register::empty();
        secret.attempt("value-0".to_owned());
        secret.acknowledge();
        Self { api, next: 1, secret, changed: 0, told: 0 }
    }

    pub(super) const fn changed(&self) -> usize {
        self.changed
    }

    pub(super) async fn check(&mut self, world: &World) {
        self.look(world).await.expect("the program is up");
    }
}

impl Worker for SecretKeeper {
    async fn step(&mut self, world: &World) -> Result<(), Gone> {
        let value = format!("value-{}", self.next);
        self.next += 1;
        self.secret.attempt(value.clone());
        let body = json!({"value": value, "secret": true});
        world.change(&self.api, "put_environment", (Method::PUT, "/api/v1/servers/telling/env/KEY"), Some(body)).await?;
        self.secret.acknowledge();
        self.changed += 1;
        self.look(world).await
    }

    async fn look(&mut self, world: &World) -> Result<(), Gone> {
        self.told += 1;
        let path = format!("/{}", self.told);
        let content = world.call(&self.api, SERVER, "tell", json!({"url": world.upstream.url(&path)})).await?;
        assert_eq!(content, json!({"status": 200}));
        let seen = world.upstream.seen();
        let request = seen.iter().rev().find(|request| request.path == path).expect("the upstream was asked");
        self.secret.check("the secret", &request.header("x-told").to_owned());
        Ok(())
    }
}
