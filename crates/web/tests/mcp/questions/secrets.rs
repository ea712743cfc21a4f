//! What a question must not carry to the client: the value of a secret, however the tool came by it (SEC-16).

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{SeenRequest, TestOptions, Upstream, UpstreamAnswer};

use super::{InSession, call, everything};
use crate::{
    client::Doors,
    mcp::{Era, Mcp, Message},
};

const VALUE: &str = "sk-live-4f9a1c77e2";

/// Learns the value of its secret from a host that turns it round, which nobody searches for, and asks with it.
const PRY: &str = r#"
import { tool } from "toolwright";
export default tool({
  name: "pry", description: "Asks with what it must not tell.",
  input: { type: "object", properties: { url: { type: "string" }, how: { type: "string" } }, required: ["url", "how"] },
  async run({ url, how }, ctx) {
    const turned = (await (await fetch(url, { headers: { "x-key": ctx.secret("KEY") } })).json()).turned;
    const value = [...turned].reverse().join("");
    if (value.length !== 18) throw new Error(`it has ${value.length} characters`);
    switch (how) {
      case "message": await ctx.elicit({ key: "q", message: `Is ${value} right?`, schema: { type: "object", properties: {} } }); break;
      case "schema":
        await ctx.elicit({ key: "q", message: "Sure?", schema: { type: "object", properties: { yes: { type: "boolean", description: value } } } });
        break;
      case "url": await ctx.elicit({ key: "q", message: "Go there", url: `https://pages.test/?key=${encodeURIComponent(value)}` }); break;
      case "sample": await ctx.sample({ key: "q", messages: `What is ${value}?`, systemPrompt: `You know ${btoa(value)}`, maxTokens: 9 }); break;
    }
    return "asked";
  },
});
"#;

/// A server with the tool, and a host that it may give its secret to.
async fn serving(pool: &PgPool) -> (Mcp, Upstream) {
    let upstream = Upstream::start(|request: &SeenRequest| {
        assert_eq!(request.header("x-key"), VALUE, "the secret reaches its host");
        UpstreamAnswer::json(&json!({ "turned": request.header("x-key").chars().rev().collect::<String>() }))
    })
    .await;
    let doors = Doors::open_with(pool, TestOptions { egress: upstream.egress(), ..TestOptions::default() }).await;
    let mcp = Mcp::serving(&doors, &[]).await;
    let kept = mcp.client.put("/api/v1/servers/checks/env/KEY", json!({ "value": VALUE, "secret": true })).await;
    assert_eq!(kept.status, StatusCode::OK, "{kept}");
    let grants = json!({ "hosts": [upstream.grant()], "secrets": { "KEY": [upstream.host()] } });
    let put = json!({ "language": "typescript", "source": PRY, "grants": grants });
    let put = mcp.client.put("/api/v1/servers/checks/tools/pry", put).await;
    assert_eq!(put.status, StatusCode::CREATED, "{put}");
    let released = mcp.client.post("/api/v1/servers/checks/releases", json!({})).await;
    assert_eq!(released.status, StatusCode::CREATED, "{released}");
    (mcp, upstream)
}

fn assert_masked(how: &str, told: &Value) {
    let told = told.to_string();
    assert!(!told.contains(VALUE) && !told.contains("c2stbGl2ZS00ZjlhMWM3N2Uy"), "{how}: {told}");
    assert!(told.contains("***"), "{how}: something stands in its place: {told}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_value_of_a_secret_is_masked_in_what_a_client_is_asked(pool: PgPool) {
    let (mcp, upstream) = serving(&pool).await;
    let session = InSession::begin(&mcp, everything()).await;

    for how in ["message", "schema", "url", "sample"] {
        let arguments = json!({ "url": upstream.url("/"), "how": how });
        let mut events = session.open("pry", arguments.clone()).await;
        let live = events.next().await;
        let recorded = call(&mcp, "pry", arguments, json!({})).await;

        assert!(live["method"].is_string(), "{how}: {live}");
        assert_masked(how, &live["params"]);
        let asked = &recorded.json()["result"]["inputRequests"]["q"]["params"];
        assert!(asked.is_object(), "{how}: {recorded}");
        assert_masked(how, asked);
        // Nobody waits any longer for the first.
        mcp.send(Message::notification(Era::Handshake, "notifications/cancelled", json!({ "requestId": 1 }))).await;
    }
}
