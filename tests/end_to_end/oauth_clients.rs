//! Real clients that are given a URL and nothing else: each finds the authorization server, becomes known there, has its person sign in and
//! decide, and uses a tool; then it refreshes its token, and loses it.

use std::process::Command;

use serde_json::json;
use testkit::{SeenRequest, Upstream, UpstreamAnswer};

use crate::{
    clients::{check, output_of, set_up, source},
    program::{Home, Program},
};

const SERVER: &str = "checks";
/// Access tokens live for that long, so that nobody waits for a refresh.
const ACCESS_TOKEN_S: &str = "5";
const EXPIRED_AFTER_S: &str = "6";

#[tokio::test(flavor = "multi_thread")]
async fn every_client_finds_its_own_way_in() {
    let documents = Upstream::start_tls(document).await;
    let home = Home::new();
    let authority = home.path().join("authority.pem");
    std::fs::write(&authority, documents.egress().extra_ca_pem).unwrap();
    let program = home
        .serve_with(|command| {
            command.env("TOOLWRIGHT_OAUTH_ACCESS_TOKEN_S", ACCESS_TOKEN_S);
            command.env("TOOLWRIGHT_EGRESS_CA_FILE", &authority);
            command.env("TOOLWRIGHT_EGRESS_ALLOW_PRIVATE", documents.host_and_port().to_string());
        })
        .await;
    deploy(&program).await;
    let clients = set_up();

    let mut python = Command::new(clients.join("python/bin/python"));
    python.arg(clients.join("python/authorization.py")).args(arguments(&program, &documents.url("/python.json")));
    check("the clients of Python", 10, &output_of(python).await);

    let mut node = Command::new(clients.join("node/node"));
    node.arg(clients.join("node/authorization.mjs")).args(arguments(&program, &documents.url("/node.json")));
    check("the clients of Node", 23, &output_of(node).await);

    let mut suite = Command::new(clients.join("node/node"));
    suite.arg(clients.join("node/authorization_suite.mjs")).args(person(&program));
    suite.arg("--suite").arg(clients.join("conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js"));
    suite.args(["--results", env!("CARGO_TARGET_TMPDIR")]);
    let output = output_of(suite).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("Total: 3 passed, 0 failed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );

    assert_eq!(documents.seen().len(), 2, "each document was fetched once: {:?}", documents.seen());
}

/// What the clients' documents say (OAuth Client ID Metadata Document, section 4).
fn document(request: &SeenRequest) -> UpstreamAnswer {
    let (name, port) = if request.path == "/python.json" { ("Python SDK check", 53682) } else { ("TypeScript check", 53683) };
    let host = request.headers["host"].to_str().unwrap();
    UpstreamAnswer::json(&json!({
        "client_id": format!("https://{host}{}", request.path),
        "client_name": name,
        "redirect_uris": [format!("http://127.0.0.1:{port}/callback")],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    }))
}

/// A server that anyone may use who has an account and lets a client in.
async fn deploy(program: &Program) {
    let owner = program.customer("pro").await;
    owner.create_server(SERVER).await;
    owner.put_tool(SERVER, "add", &source("add")).await;
    owner.release(SERVER).await;
    owner.patch(&format!("/api/v1/servers/{SERVER}"), json!({"access": "consent"})).await.expect(200);
}

fn arguments(program: &Program, document: &str) -> Vec<String> {
    let mut arguments = person(program);
    arguments.extend(["--seconds", EXPIRED_AFTER_S, "--document", document].map(str::to_owned));
    arguments
}

/// Who signs in where.
fn person(program: &Program) -> Vec<String> {
    let url = format!("http://{}/mcp/{SERVER}", program.address);
    ["--url", &url, "--email", "ada@example.com", "--password", "violet tractor orbit 42"].map(str::to_owned).to_vec()
}
