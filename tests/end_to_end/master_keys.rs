//! `toolwright secrets`, on the real program: what is sealed is sealed anew while a node runs, and is worth the same (SEC-5, SEC-16).

use std::process::Command;

use rustix::process::Signal;
use serde_json::json;
use testkit::{Upstream, UpstreamAnswer};

use crate::{
    api::Api,
    program::{Home, Program},
};

const OLD: &str = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9";
const NEW: &str = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
const VALUE: &str = "sk-live-4f9a1c77e2";

/// Sends its secret to where it may go.
const SENDER: &str = r#"
import { tool } from "toolwright";
export default tool({
  name: "send", description: "Sends its key.",
  input: { type: "object", properties: { url: { type: "string" } }, required: ["url"] },
  async run({ url }, ctx) { return { status: (await fetch(url, { headers: { authorization: `Bearer ${ctx.secret("KEY")}` } })).status }; },
});
"#;

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sealed_anew_while_a_node_runs_and_the_old_master_key_is_not_needed_then() {
    let upstream = Upstream::start(|_| UpstreamAnswer::json(&json!({}))).await;
    let home = Home::new();
    let program = serve(&home, &upstream, OLD).await;
    let key = deploy(&program, &upstream).await;
    send(&program, &key, &upstream).await;

    assert!(sealed(home.beside("secrets").arg("rotate"), OLD).contains("sealed anew"));
    send(&program, &key, &upstream).await;
    assert!(program.stop(Signal::TERM).await.success());
    let both = format!("{NEW},{OLD}");
    let program = serve(&home, &upstream, &both).await;
    send(&program, &key, &upstream).await;
    sealed(home.beside("secrets").arg("rotate-master"), &both);
    send(&program, &key, &upstream).await;
    assert!(program.stop(Signal::TERM).await.success());

    let program = serve(&home, &upstream, NEW).await;
    send(&program, &key, &upstream).await;
    assert!(program.stop(Signal::TERM).await.success());
    let refused = home.start_with(|command| {
        command.env("TOOLWRIGHT_MASTER_KEY", OLD);
    });
    assert!(refused.log_after_end().await.contains("master key"), "the old key opens nothing any more");
    assert!(upstream.seen().iter().all(|request| request.header("authorization") == format!("Bearer {VALUE}")));
    assert_eq!(upstream.seen().len(), 5);
}

/// Runs the command, and gives what it logs.
fn sealed(command: &mut Command, masters: &str) -> String {
    let output = command.env("TOOLWRIGHT_MASTER_KEY", masters).output().unwrap();
    let log = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{log}");
    log
}

async fn serve(home: &Home, upstream: &Upstream, masters: &str) -> Program {
    home.serve_with(|command| {
        command
            .env("TOOLWRIGHT_MASTER_KEY", masters)
            .env("TOOLWRIGHT_EGRESS_ALLOW_PRIVATE", upstream.host_and_port().to_string());
    })
    .await
}

/// The tool, with a secret of its server; gives its owner's key.
async fn deploy(program: &Program, upstream: &Upstream) -> String {
    let owner = program.customer("pro").await;
    owner.create_server("sending").await;
    owner.put("/api/v1/servers/sending/env/KEY", json!({"value": VALUE, "secret": true})).await.expect(200);
    let grants = json!({
        "hosts": [{"scheme": "http", "host": upstream.host(), "port": upstream.address().port()}],
        "secrets": {"KEY": [upstream.host()]},
    });
    let body = json!({"language": "typescript", "source": SENDER, "grants": grants});
    owner.put("/api/v1/servers/sending/tools/send", body).await.expect(201);
    owner.release("sending").await;
    owner.key
}

async fn send(program: &Program, key: &str, upstream: &Upstream) {
    let owner = Api::new(program.address, key);
    let answer = owner.call("sending", "send", json!({"url": upstream.url("/")})).await.unwrap().expect(200);
    assert_eq!(answer["result"]["structuredContent"], json!({"status": 200}), "{answer}");
}
