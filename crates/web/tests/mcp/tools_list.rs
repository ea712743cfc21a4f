//! `tools/list`

use serde_json::json;
use sqlx::PgPool;

use super::{ADD, COUNT, ERAS, Era, FAIL, Mcp, without_release};
use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn a_tool_is_listed_with_all_it_says_of_itself(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;
    let tools = json!([{
        "name": "add",
        "title": "Sum",
        "description": "Adds two numbers.",
        "inputSchema": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
            "additionalProperties": false,
        },
        "outputSchema": {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"]},
        "annotations": {"readOnlyHint": true, "idempotentHint": true},
        "_meta": {"toolwright/definitionDigest": "73094aef36ea3c509ec4ba4fee4de9ebfb21d4d11eade958de009c535034f68f"},
    }]);

    let before = mcp.ask(Era::Handshake, "tools/list", json!({})).await;
    let since = mcp.ask(Era::PerRequest, "tools/list", json!({})).await;

    assert_eq!(before.json(), json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}));
    let result = json!({
        "resultType": "complete",
        "tools": tools,
        "ttlMs": 5_000,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "checks", "title": "Checks", "version": "[release]"}},
    });
    assert_eq!(without_release(since.json()["result"].clone()), result);
}

#[sqlx::test(migrations = "../../migrations")]
async fn tools_come_in_the_order_of_their_names_every_time(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[FAIL, COUNT, ADD]).await;

    for era in ERAS {
        let first = mcp.ask(era, "tools/list", json!({})).await;
        let names: Vec<_> = first.json()["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();

        assert_eq!(names, ["add", "count", "fail"]);
        assert_eq!(mcp.ask(era, "tools/list", json!({})).await.text, first.text);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_new_release_is_listed_at_once(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;
    let before = mcp.ask(Era::PerRequest, "tools/list", json!({})).await.json();

    mcp.client.put("/api/v1/servers/checks/tools/fail", json!({"language": "typescript", "source": FAIL.1})).await;
    mcp.client.post("/api/v1/servers/checks/releases", json!({})).await;
    let after = mcp.ask(Era::PerRequest, "tools/list", json!({})).await.json();

    assert_eq!(before["result"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(after["result"]["tools"].as_array().unwrap().len(), 2);
    let version = |answer: &serde_json::Value| answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["version"].clone();
    assert_ne!(version(&before), version(&after));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_cursor_is_one_that_was_given_out(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD, FAIL]).await;

    for cursor in [json!("!"), json!("Li4v"), json!(7)] {
        let refused = mcp.ask(Era::Handshake, "tools/list", json!({ "cursor": cursor })).await;

        assert_eq!(refused.json()["error"]["code"], -32602, "{cursor}: {refused}");
    }
    // A cursor names the last tool that was seen: this is base64 of `add`.
    let rest = mcp.ask(Era::Handshake, "tools/list", json!({ "cursor": "YWRk" })).await;
    assert_eq!(rest.json()["result"]["tools"][0]["name"], "fail");
}
