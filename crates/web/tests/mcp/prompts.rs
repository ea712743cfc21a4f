//! Prompts: listed, filled in, completed.

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{ADD, ERAS, Era, Mcp};
use crate::client::Doors;

const GREETING: (&str, &str) = (
    "greeting",
    r#"
import { prompt, ToolError } from "toolwright";
export default prompt({
  name: "greeting", title: "Greeting", description: "Asks for a greeting.",
  arguments: [
    { name: "city", title: "City", description: "Where", required: true },
    { name: "tone" },
  ],
  complete: {
    city: (value, { arguments: others }) => (others.tone === "cold" ? ["Oslo"] : ["Osaka", "Oslo"].filter((city) => city.startsWith(value))),
  },
  run({ city, tone = "warm" }, ctx) {
    if (city === "Atlantis") throw new ToolError("it has sunk");
    return [
      { role: "user", content: ctx.text(`Greet ${city}.`) },
      { role: "assistant", content: ctx.text(`In a ${tone} tone?`) },
    ];
  },
});
"#,
);

#[sqlx::test(migrations = "../../migrations")]
async fn a_prompt_is_listed_with_its_arguments(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD, GREETING]).await;

    for era in ERAS {
        let listed = mcp.ask(era, "prompts/list", json!({})).await.json();

        let mut prompt = listed["result"]["prompts"][0].clone();
        prompt.as_object_mut().unwrap().remove("_meta");
        let wanted = json!({
            "name": "greeting", "title": "Greeting", "description": "Asks for a greeting.",
            "arguments": [{"name": "city", "title": "City", "description": "Where", "required": true}, {"name": "tone"}],
        });
        assert_eq!(prompt, wanted);
        assert_eq!(listed["result"]["prompts"].as_array().unwrap().len(), 1);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_prompt_is_filled_in(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREETING]).await;

    for era in ERAS {
        let answer = get(&mcp, era, json!({"name": "greeting", "arguments": {"city": "Oslo"}})).await;

        let messages = json!([
            {"role": "user", "content": {"type": "text", "text": "Greet Oslo."}},
            {"role": "assistant", "content": {"type": "text", "text": "In a warm tone?"}},
        ]);
        assert_eq!(answer["result"]["messages"], messages, "{answer}");
        assert_eq!(answer["result"].get("resultType").is_some(), era == Era::PerRequest);
    }
    let record = mcp.records("success", 2).await.remove(0);
    assert_eq!(record["tool"], "greeting", "{record}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_was_filled_in_wrong_is_told(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD, GREETING]).await;

    for era in ERAS {
        for (params, code, text) in [
            (json!({"name": "greeting"}), -32602, "city"),
            (json!({"name": "greeting", "arguments": {"city": 7}}), -32602, "city"),
            (json!({"name": "greeting", "arguments": []}), -32602, "arguments"),
            (json!({"name": "add", "arguments": {}}), -32602, "there is no prompt `add`"),
            (json!({"name": "no such", "arguments": {}}), -32602, "there is no prompt `no such`"),
            (json!({}), -32602, "name"),
            (json!({"name": "greeting", "arguments": {"city": "Atlantis"}}), -32603, "it has sunk"),
        ] {
            let answer = get(&mcp, era, params.clone()).await;

            assert_eq!(answer["error"]["code"], code, "{params}: {answer}");
            assert!(answer["error"]["message"].as_str().unwrap().contains(text), "{params}: {answer}");
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_argument_is_completed_by_what_was_filled_in_already(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREETING]).await;
    let reference = json!({"type": "ref/prompt", "name": "greeting"});

    for era in ERAS {
        for (argument, context, values) in [
            (json!({"name": "city", "value": "Osa"}), json!({}), json!(["Osaka"])),
            (json!({"name": "city", "value": ""}), json!({"arguments": {"tone": "cold"}}), json!(["Oslo"])),
            (json!({"name": "tone", "value": "w"}), json!({}), json!([])),
        ] {
            let params = json!({"ref": reference, "argument": argument, "context": context});
            let answer = mcp.ask(era, "completion/complete", params).await;

            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(answer.json()["result"]["completion"]["values"], values, "{answer}");
            assert_eq!(answer.json()["result"].get("_meta").is_some(), era == Era::PerRequest);
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_cannot_be_completed_is_refused(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREETING]).await;
    let city = json!({"name": "city", "value": "O"});
    let reference = json!({"type": "ref/prompt", "name": "greeting"});
    let many: Value = (0..65).map(|number| (number.to_string(), json!(""))).collect::<serde_json::Map<_, _>>().into();

    for era in ERAS {
        for params in [
            json!({"ref": {"type": "ref/prompt", "name": "other"}, "argument": city}),
            json!({"ref": {"type": "ref/prompt", "name": "no such"}, "argument": city}),
            json!({"ref": {"type": "ref/resource", "uri": "test://a"}, "argument": city}),
            json!({"ref": {"type": "ref/tool", "name": "greeting"}, "argument": city}),
            json!({"ref": reference, "argument": {"name": "country", "value": ""}}),
            json!({"ref": reference, "argument": {"name": "city"}}),
            json!({"ref": reference}),
            json!({"argument": city}),
            json!({"ref": reference, "argument": city, "context": {"arguments": many}}),
        ] {
            let answer = mcp.ask(era, "completion/complete", params.clone()).await.json();

            assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
        }
    }
}

async fn get(mcp: &Mcp, era: Era, params: Value) -> Value {
    mcp.ask(era, "prompts/get", params).await.json()
}
