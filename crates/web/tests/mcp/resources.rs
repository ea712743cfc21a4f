//! Resources and templates of resources: listed, read, completed.

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{ADD, ERAS, Era, Mcp, Message, SESSION};
use crate::client::Doors;

const TEXT: (&str, &str) = ("static_text", include_str!("../../../../tests/conformance/fixture/static_text.ts"));
const BINARY: (&str, &str) = ("static_binary", include_str!("../../../../tests/conformance/fixture/static_binary.ts"));

const NOTE: (&str, &str) = (
    "note",
    r#"
import { resource, ToolError } from "toolwright";
export default resource({
  name: "note", title: "Note", description: "The note of a day.", uri: "notes://{day}", mimeType: "text/plain",
  icons: [{ src: "https://a.test/a.png", mimeType: "image/png", sizes: ["48x48"] }],
  annotations: { audience: ["user"], priority: 0.5 },
  complete: { day: (value) => ["monday", "tuesday"].filter((day) => day.startsWith(value)) },
  read({ day }) {
    if (day === "never") return [];
    if (day === "sunday") throw new ToolError("notes are not read on sundays");
    if (day === "oops") return missing.text;
    return `of ${day}`;
  },
});
"#,
);

#[sqlx::test(migrations = "../../migrations")]
async fn resources_and_templates_stand_in_lists_of_their_own(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD, NOTE, TEXT, BINARY]).await;

    for era in ERAS {
        let resources = mcp.ask(era, "resources/list", json!({})).await.json();
        let templates = mcp.ask(era, "resources/templates/list", json!({})).await.json();
        let tools = mcp.ask(era, "tools/list", json!({})).await.json();

        assert_eq!(names(&resources["result"]["resources"]), ["static_binary", "static_text"]);
        assert_eq!(resources["result"]["resources"][1]["uri"], "test://static-text");
        assert_eq!(names(&tools["result"]["tools"]), ["add"]);
        let mut template = templates["result"]["resourceTemplates"][0].clone();
        assert!(template["_meta"]["toolwright/definitionDigest"].is_string());
        template.as_object_mut().unwrap().remove("_meta");
        let wanted = json!({
            "uriTemplate": "notes://{day}", "name": "note", "title": "Note", "description": "The note of a day.",
            "mimeType": "text/plain", "annotations": {"audience": ["user"], "priority": 0.5},
            "icons": [{"src": "https://a.test/a.png", "mimeType": "image/png", "sizes": ["48x48"]}],
        });
        assert_eq!(template, wanted);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_resource_is_read_as_text_or_as_bytes(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[NOTE, TEXT, BINARY]).await;

    for era in ERAS {
        let text = read(&mcp, era, "test://static-text").await;
        let bytes = read(&mcp, era, "test://static-binary").await;
        let note = read(&mcp, era, "notes://a%20day").await;

        let wanted = "This is the content of the static text resource.";
        assert_eq!(text["result"]["contents"], json!([{"uri": "test://static-text", "mimeType": "text/plain", "text": wanted}]));
        assert!(bytes["result"]["contents"][0]["blob"].as_str().unwrap().starts_with("iVBORw0KGgo"));
        assert_eq!(note["result"]["contents"], json!([{"uri": "notes://a%20day", "mimeType": "text/plain", "text": "of a day"}]));
        let hints = (&note["result"]["resultType"], &note["result"]["ttlMs"], &note["result"]["cacheScope"]);
        match era {
            Era::Handshake => assert_eq!(hints, (&Value::Null, &Value::Null, &Value::Null)),
            Era::PerRequest => assert_eq!(hints, (&json!("complete"), &json!(0), &json!("private"))),
        }
    }
    assert_eq!(mcp.records("success", 6).await.len(), 6);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_resource_that_is_not_there_is_an_error_with_its_uri(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[NOTE]).await;

    for (era, code) in [(Era::Handshake, -32002), (Era::PerRequest, -32602)] {
        for uri in ["notes://", "test://nowhere", "notes://never", "not a uri"] {
            let answer = mcp.ask(era, "resources/read", json!({ "uri": uri })).await;

            assert_eq!(answer.status, StatusCode::OK, "{uri}: {answer}");
            assert_eq!(answer.json()["error"]["code"], code, "{uri}: {answer}");
            assert_eq!(answer.json()["error"]["data"], json!({ "uri": uri }), "{answer}");
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_goes_wrong_while_it_is_read_is_told(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[NOTE]).await;

    for era in ERAS {
        let said = read(&mcp, era, "notes://sunday").await;
        let thrown = read(&mcp, era, "notes://oops").await;
        let nameless = mcp.ask(era, "resources/read", json!({})).await.json();

        assert_eq!(said["error"]["message"], "notes are not read on sundays");
        assert_eq!(said["error"]["data"], json!({"error_code": "tool_error"}));
        assert_eq!(said["error"]["code"], -32603);
        assert!(thrown["error"]["message"].as_str().unwrap().starts_with("ReferenceError: "), "{thrown}");
        assert_eq!(nameless["error"]["code"], -32602, "{nameless}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_header_mcp_name_repeats_the_uri(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[TEXT]).await;
    let read = Message::request(Era::PerRequest, "resources/read", json!({"uri": "test://static-text"}));

    let refused = mcp.send(read.with_header("mcp-name", "test://other")).await;

    assert_eq!((refused.status, &refused.json()["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(-32020)));
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_variables_of_a_template_are_completed(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[NOTE]).await;

    for era in ERAS {
        let params = json!({"ref": {"type": "ref/resource", "uri": "notes://{day}"}, "argument": {"name": "day", "value": "mo"}});
        let completed = mcp.ask(era, "completion/complete", params).await.json();

        assert_eq!(completed["result"]["completion"]["values"], json!(["monday"]), "{completed}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn only_what_is_there_can_be_watched(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[NOTE]).await;
    let subscribe = |uri| Message::request(Era::Handshake, "resources/subscribe", json!({ "uri": uri }));

    let watched = mcp.send(subscribe("notes://monday").with_header(SESSION, "a")).await;
    let unknown = mcp.send(subscribe("test://nowhere").with_header(SESSION, "a")).await;
    let nobody = mcp.send(subscribe("notes://monday")).await;
    let since = mcp.ask(Era::PerRequest, "resources/subscribe", json!({"uri": "notes://monday"})).await;

    assert_eq!(watched.json()["result"], json!({}), "{watched}");
    assert_eq!(unknown.json()["error"]["code"], -32002, "{unknown}");
    assert_eq!((nobody.status, &nobody.json()["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(-32600)));
    assert_eq!((since.status, &since.json()["error"]["code"]), (StatusCode::NOT_FOUND, &json!(-32601)));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_server_announces_what_its_release_has(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[NOTE]).await;

    let discovered = mcp.ask(Era::PerRequest, "server/discover", json!({})).await.json();

    let wanted = json!({
        "tools": {"listChanged": true}, "resources": {"listChanged": true, "subscribe": true}, "completions": {}, "logging": {},
    });
    assert_eq!(discovered["result"]["capabilities"], wanted);
}

async fn read(mcp: &Mcp, era: Era, uri: &str) -> Value {
    mcp.ask(era, "resources/read", json!({ "uri": uri })).await.json()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}
