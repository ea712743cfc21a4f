//! Components that other toolchains made (tests/components), on the real program: uploaded, called as MCP tools, given out again,
//! and taken in by another installation.

use std::{fs, path::Path};

use async_compression::tokio::bufread::BrotliDecoder;
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::{Upstream, UpstreamAnswer};
use tokio::io::AsyncReadExt as _;

use crate::{
    api::{Api, adder},
    program::Home,
};

const SLUG: &str = "uploads";

#[tokio::test]
async fn tools_from_other_toolchains_are_served() {
    let upstream = Upstream::start(|_| UpstreamAnswer {
        status: StatusCode::OK,
        headers: vec![("content-type", "text/plain".to_owned())],
        body: b"hello from outside".to_vec(),
    })
    .await;
    let home = Home::new();
    let program = home
        .serve_with(|command| {
            command.env("TOOLWRIGHT_EGRESS_ALLOW_PRIVATE", upstream.host_and_port().to_string());
        })
        .await;
    let api = program.customer("enterprise").await;
    api.create_server(SLUG).await;
    let grants = json!({"hosts": [upstream.grant()]});

    upload(&api, "tools/text-statistics", read("rust-text.wasm").await).await;
    upload(&api, "tools/count-words?description=Counts%20words", read("python-words.wasm.br").await).await;
    let query = reqwest::Url::parse_with_params("http://x/", [("prefix", "js_"), ("grants", &grants.to_string())]).unwrap();
    let all = upload(&api, &format!("tools?{}", query.query().unwrap()), read("javascript-web.wasm.br").await).await;
    assert_eq!(all["versions"].as_array().map(Vec::len), Some(2), "{all}");
    upload(&api, "tools/add", wat("text-add.wat")).await;
    api.release(SLUG).await;

    let text = call(&api, "text-statistics", json!({"text": "one two\nthree"})).await;
    assert_eq!(text, json!({"characters": 13, "words": 3, "lines": 2, "longest": "three"}));
    let words = call(&api, "count-words", json!({"text": "a b a", "most": 1})).await;
    assert_eq!(words, json!({"result": [{"word": "a", "count": 2}]}));
    assert_eq!(call(&api, "add", json!({"a": 2, "b": -44})).await, json!({"result": -42}));
    let time = call(&api, "js_get_current_time", json!({})).await;
    assert!(time["result"].as_str().unwrap().starts_with("20"), "{time}");
    let fetched = call(&api, "js_read_text", json!({"url": upstream.url("/")})).await;
    assert_eq!(fetched, json!({"result": "hello from outside"}));
}

#[tokio::test]
async fn a_tool_travels_to_another_installation_as_a_component() {
    let (home, elsewhere) = (Home::new(), Home::new());
    let (program, other) = tokio::join!(home.serve(), elsewhere.serve());
    let (api, away) = (program.customer("pro").await, other.customer("pro").await);
    api.create_server(SLUG).await;
    away.create_server(SLUG).await;
    api.put_tool(SLUG, "adder", &adder("adder", 40)).await;
    upload(&api, "tools/text-statistics", read("rust-text.wasm").await).await;

    for tool in ["adder", "text-statistics"] {
        let component = download(&api, tool).await;
        assert!(component.starts_with(b"\0asm"), "{tool} is given out as a component");
        upload(&away, &format!("tools/{tool}"), component).await;
    }
    away.release(SLUG).await;

    assert_eq!(call(&away, "adder", json!({"n": 2})).await, json!({"sum": 42}));
    assert_eq!(call(&away, "text-statistics", json!({"text": "a"})).await["characters"], 1);
}

/// Uploads to a path below the server; what was answered.
async fn upload(api: &Api, path: &str, component: Vec<u8>) -> Value {
    let sent = client()
        .put(format!("{}/api/v1/servers/{SLUG}/{path}", api.base))
        .bearer_auth(&api.key)
        .header("content-type", "application/wasm")
        .body(component)
        .send()
        .await
        .unwrap();
    let (status, body) = (sent.status(), sent.text().await.unwrap());
    assert_eq!(status, 201, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

async fn download(api: &Api, tool: &str) -> Vec<u8> {
    let url = format!("{}/api/v1/servers/{SLUG}/tools/{tool}/component", api.base);
    let answer = client().get(url).bearer_auth(&api.key).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/wasm");
    answer.error_for_status().unwrap().bytes().await.unwrap().to_vec()
}

/// The structured content of a call that succeeds.
async fn call(api: &Api, tool: &str, arguments: Value) -> Value {
    let answer = api.call(SLUG, tool, arguments).await.unwrap().expect(200);
    assert_ne!(answer["result"]["isError"], true, "{tool}: {answer}");
    answer["result"]["structuredContent"].clone()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A built component; the large ones are kept compressed.
async fn read(name: &str) -> Vec<u8> {
    let path = folder().join("built").join(name);
    let bytes = fs::read(&path).unwrap();
    if path.extension().is_none_or(|extension| extension != "br") {
        return bytes;
    }
    let mut unpacked = Vec::new();
    BrotliDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).await.unwrap();
    unpacked
}

fn wat(name: &str) -> Vec<u8> {
    wat::parse_file(folder().join(name)).unwrap()
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/components"))
}
