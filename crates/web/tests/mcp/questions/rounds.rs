//! Clients of 2026-07-28, which are asked by the answer of their request, and ask again.

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{TestOptions, Upstream};

use super::{GREET, THINK, asking, call, everything, name, state};
use crate::{
    client::Doors,
    mcp::{Era, Mcp, events, text},
};

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_asks_by_its_answer_and_goes_on_when_it_is_made_again(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREET]).await;

    let asked = call(&mcp, "greet", json!({}), json!({})).await;
    let waiting = mcp.record("waiting").await;
    let brought = json!({"requestState": state(&asked), "inputResponses": {"name": name("Ada"), "other": {}}});
    let answer = call(&mcp, "greet", json!({}), brought).await;
    let ended = mcp.record("success").await;

    let result = asked.json()["result"].clone();
    let schema = json!({"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}}, "required": ["name"]});
    let params = json!({"mode": "form", "message": "Who are you?", "requestedSchema": schema});
    assert_eq!(result["inputRequests"], json!({"name": {"method": "elicitation/create", "params": params}}));
    assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"].is_object(), "{asked}");
    assert_eq!((answer.status, text(&answer)), (StatusCode::OK, "Hello, Ada!".to_owned()));
    assert_eq!(answer.json()["result"]["resultType"], "complete");
    // One record over both runs, which counts both.
    assert_eq!((&waiting["completed_at"], &waiting["call_id"]), (&Value::Null, &ended["call_id"]));
    let fuel = |record: &Value| record["receipt"]["fuel"].as_u64().unwrap();
    assert!(fuel(&ended) > fuel(&waiting) && fuel(&waiting) > 0, "{waiting} {ended}");
    assert_eq!(ended["queued_at"], waiting["queued_at"]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_a_tool_did_outside_before_it_asked_is_done_once(pool: PgPool) {
    const BUY: &str = r#"
import { tool } from "toolwright";
export default tool({
  name: "buy", description: "Buys.", input: { type: "object", properties: { url: { type: "string" } }, required: ["url"] },
  async run({ url }, ctx) {
    console.log("reserving");
    const reserved = await (await fetch(url + "reserve", { method: "POST", body: String(Math.random()) })).json();
    const { action } = await ctx.elicit({
      key: "sure", message: "Sure?", schema: { type: "object", properties: { yes: { type: "boolean" } } },
    });
    const paid = await (await fetch(url + "pay", { method: "POST", body: reserved.body })).json();
    return { action, same: paid.body === reserved.body };
  },
});
"#;
    let upstream = Upstream::echo().await;
    let doors = Doors::open_with(&pool, TestOptions { egress: upstream.egress(), ..TestOptions::default() }).await;
    let mcp = Mcp::serving(&doors, &[]).await;
    let grants = json!({ "hosts": [upstream.grant()] });
    let put = json!({ "language": "typescript", "source": BUY, "grants": grants });
    let put = mcp.client.put("/api/v1/servers/checks/tools/buy", put).await;
    assert_eq!(put.status, StatusCode::CREATED, "{put}");
    mcp.client.post("/api/v1/servers/checks/releases", json!({})).await;
    let arguments = json!({"url": upstream.url("/")});

    let log = json!({"io.modelcontextprotocol/logLevel": "debug"});
    let with_log = |brought: Value| {
        let mut params = json!({"name": "buy", "arguments": arguments, "_meta": log});
        params.as_object_mut().unwrap().extend(brought.as_object().unwrap().clone());
        asking("tools/call", params, &everything())
    };
    let first = mcp.send(with_log(json!({}))).await;
    let first = events(&first.text);
    let paths = || upstream.seen().iter().map(|seen| seen.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(), ["/reserve"]);
    assert_eq!(first[0]["params"]["data"], "reserving");
    let state = &first.last().unwrap()["result"]["requestState"];
    let sure = json!({"sure": {"action": "accept", "content": {"yes": true}}});
    let answer = mcp.send(with_log(json!({"requestState": state, "inputResponses": sure}))).await;

    assert_eq!(answer.json()["result"]["structuredContent"], json!({"action": "accept", "same": true}), "and no line twice");
    assert_eq!(paths(), ["/reserve", "/pay"]);
    let record = mcp.record("success").await;
    assert_eq!(
        (&record["receipt"]["host_calls"], &record["receipt"]["log_lines"]),
        (&record["receipt"]["host_calls"], &json!(1))
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn prompts_and_resources_ask_as_well(pool: PgPool) {
    const SOURCES: [(&str, &str); 2] = [
        (
            "topic",
            r#"
import { prompt } from "toolwright";
export default prompt({
  name: "topic", description: "About something.",
  async run(_, ctx) { return (await ctx.sample({ key: "topic", messages: "Name a topic", maxTokens: 9 })).content.text; },
});
"#,
        ),
        (
            "folders",
            r#"
import { resource } from "toolwright";
export default resource({
  name: "folders", description: "Folders.", uri: "test://folders",
  async read(_, ctx) { return (await ctx.roots({ key: "folders" })).map(({ uri }) => uri).join(); },
});
"#,
        ),
    ];
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &SOURCES).await;
    let said = json!({"topic": {"role": "assistant", "content": {"type": "text", "text": "Rust"}, "model": "m"}});
    let roots = json!({"folders": {"roots": [{"uri": "file:///a"}]}});

    for (method, params, key, answers, path, wanted) in [
        ("prompts/get", json!({"name": "topic"}), "topic", said, "/result/messages/0/content/text", "Rust"),
        ("resources/read", json!({"uri": "test://folders"}), "folders", roots, "/result/contents/0/text", "file:///a"),
    ] {
        let asked = mcp.send(asking(method, params.clone(), &everything())).await;
        assert!(asked.json()["result"]["inputRequests"][key].is_object(), "{asked}");
        let mut again = params;
        again["requestState"] = json!(state(&asked));
        again["inputResponses"] = answers;
        let answer = mcp.send(asking(method, again, &everything())).await;
        assert_eq!(answer.json().pointer(path), Some(&json!(wanted)), "{answer}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_the_client_has_not_declared_is_refused_with_its_name_unless_the_tool_goes_on_without(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[THINK]).await;
    let call = |arguments: Value, capabilities: Value| {
        mcp.send(asking("tools/call", json!({"name": "think", "arguments": arguments}), &capabilities))
    };

    for capabilities in [json!({}), json!({"elicitation": {}})] {
        let refused = call(json!({}), capabilities.clone()).await;
        let alone = call(json!({"alone": true}), capabilities).await;

        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.json()["error"]["code"], -32021);
        assert_eq!(refused.json()["error"]["data"], json!({"requiredCapabilities": {"sampling": {}}}));
        assert!(text(&alone).starts_with("alone: the client cannot be asked this"), "{alone}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_brings_back_no_answer_is_asked_the_same_again(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREET]).await;
    let good = state(&call(&mcp, "greet", json!({}), json!({})).await);

    let without = call(&mcp, "greet", json!({}), json!({"requestState": good})).await;
    let with_other =
        call(&mcp, "greet", json!({}), json!({"requestState": good, "inputResponses": {"wrong": name("Ada")}})).await;
    let with_answer =
        call(&mcp, "greet", json!({}), json!({"requestState": good, "inputResponses": {"name": name("Ada")}})).await;

    assert_eq!((state(&without), state(&with_other)), (good.clone(), good));
    assert!(with_other.json()["result"]["inputRequests"]["name"].is_object());
    assert_eq!(text(&with_answer), "Hello, Ada!");
    mcp.records("success", 1).await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_answer_that_comes_before_its_question_is_taken(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREET]).await;

    let ahead = call(&mcp, "greet", json!({}), json!({"inputResponses": {"name": name("Ada"), "other": name("Bob")}})).await;
    let unfit = call(&mcp, "greet", json!({}), json!({"inputResponses": {"name": {"action": "accept"}}})).await;

    assert_eq!(text(&ahead), "Hello, Ada!");
    assert!(unfit.json()["result"]["inputRequests"]["name"].is_object(), "{unfit}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_goes_on_with_the_version_that_it_began_with(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREET]).await;
    let old = state(&call(&mcp, "greet", json!({}), json!({})).await);
    let source = GREET.1.replace("`${greeting}, ", "`${greeting} again, ");
    mcp.client.put("/api/v1/servers/checks/tools/greet", json!({"language": "typescript", "source": source})).await;
    mcp.client.post("/api/v1/servers/checks/releases", json!({})).await;
    let brought = |state: &str| json!({"requestState": state, "inputResponses": {"name": name("Ada")}});

    let begun_before = call(&mcp, "greet", json!({}), brought(&old)).await;
    let new = state(&call(&mcp, "greet", json!({}), json!({})).await);
    let begun_after = call(&mcp, "greet", json!({}), brought(&new)).await;

    assert_eq!((text(&begun_before), text(&begun_after)), ("Hello, Ada!".to_owned(), "Hello again, Ada!".to_owned()));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_of_2025_is_not_asked_by_an_answer(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREET]).await;

    let answer = mcp.call(Era::Handshake, "greet", json!({})).await;

    assert_eq!(
        (answer.json()["result"]["isError"].clone(), answer.json()["result"]["resultType"].clone()),
        (json!(true), Value::Null)
    );
}
