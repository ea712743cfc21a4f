//! The example server: deployed on first start, and right about every case of `examples/`.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::{
    api::Api,
    program::{Home, Program},
};

/// Those that need nothing of the outside; the others are tried against an upstream in `app::outside_examples`.
const TOOLS: [&str; 3] = ["csv_query", "iban_check", "cron_next"];

#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_every_example_is_answered_right() {
    let home = Home::new();
    let program = home.serve().await;
    let owner = example_owner(&home, &program);

    for tool in TOOLS {
        let cases: Vec<Value> = serde_json::from_str(&read(tool, "cases.json")).unwrap();
        assert!(cases.len() >= 5, "{tool} has too few cases");
        for case in cases {
            check(&owner, tool, &case).await;
        }
    }
}

async fn check(owner: &Api, tool: &str, case: &Value) {
    let mut arguments = case["input"].clone();
    for (name, file) in case["files"].as_object().into_iter().flatten() {
        arguments[name] = Value::String(read(tool, file.as_str().unwrap()));
    }

    let answer = owner.call("examples", tool, arguments).await.unwrap().expect(200);

    let (name, result) = (&case["name"], &answer["result"]);
    if let Some(error) = case["error"].as_str() {
        assert_eq!(result["isError"], true, "{tool}: {name}: {answer}");
        assert!(result["content"][0]["text"].as_str().unwrap().contains(error), "{tool}: {name}: {answer}");
    } else {
        assert_eq!(result["structuredContent"], case["output"], "{tool}: {name}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_server_is_deployed_once() {
    let home = Home::new();
    let first = home.serve().await;
    let releases = "/api/v1/servers/examples/releases";
    let before = example_owner(&home, &first).get(releases).await.expect(200);
    first.stop(rustix::process::Signal::TERM).await;

    let second = home.serve().await;

    let after = example_owner(&home, &second).get(releases).await.expect(200);
    let tools = example_owner(&home, &second).get("/api/v1/servers/examples/tools").await.expect(200);
    let names: Vec<&Value> = tools["items"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["cron_next", "csv_query", "exchange_rates", "iban_check", "issue_search", "page_to_markdown"]);
    assert_eq!(before["items"].as_array().unwrap().len(), 1, "{before}");
    assert_eq!(after["items"].as_array().unwrap().len(), 1, "{after}");
    assert_eq!(before["items"][0]["release_id"], after["items"][0]["release_id"]);
}

/// The key that the first start made for the owner of the examples.
pub(crate) fn example_owner(home: &Home, program: &Program) -> Api {
    let key = fs::read_to_string(home.path().join("keys/example-api-key")).unwrap();
    Api::new(program.address, key.trim())
}

fn read(tool: &str, file: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(tool).join(file)).unwrap()
}
