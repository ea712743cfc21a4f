//! The protocol's own conformance suite, against a server of sandboxed tools that was deployed as anyone's is.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::{api::Api, key_proxy::KeyProxy, program::Home};

const SERVER: &str = "conformance";

/// What each revision requires, at its own words on the wire.
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// What the suite runs for these revisions and does not score, but every server should have: (scenario, revision).
const UNSCORED: [(&str, &str); 5] = [
    ("server-session-lifecycle", "2025-11-25"),
    ("json-schema-2020-12", "2025-11-25"),
    ("json-schema-2020-12", "2026-07-28"),
    ("http-header-validation", "2026-07-28"),
    ("http-custom-header-server-validation", "2026-07-28"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_finds_nothing_wrong() {
    let home = Home::new();
    let proxy = KeyProxy::bind().await;
    let origin = proxy.origin();
    let platform = Platform { name: "platform.localhost", port: proxy.port() };
    let settings = |command: &mut Command| {
        // The suite takes the address that it was given for the server's own.
        command.env("TOOLWRIGHT_ORIGINS", &origin);
        command.env("TOOLWRIGHT_HOSTS", platform.name);
        command.env("TOOLWRIGHT_EGRESS_ALLOW_PRIVATE", format!("{}:{}", platform.name, platform.port));
    };
    let program = home.serve_with(settings).await;
    let owner = program.customer("enterprise").await;
    deploy(&owner, &platform).await;
    let _proxy = proxy.serve(&owner);
    let changed = owner.call(SERVER, "test_trigger_tool_change", json!({})).await.unwrap().expect(200);
    assert_eq!(changed["result"]["isError"], false, "{changed}");
    let suite = Suite::set_up(format!("{origin}/mcp/{SERVER}"));

    for revision in REVISIONS {
        let output = suite.run(&["--requirements", revision]).await;

        assert!(output.status.success(), "{revision}:\n{}", report(&output));
    }
    for (scenario, revision) in UNSCORED {
        let output = suite.run(&["--scenario", scenario, "--spec-version", revision]).await;

        assert!(output.status.success(), "{scenario} in {revision}:\n{}", report(&output));
    }
}

/// Where tools of the fixture find the public API: the suite asks them to change what their own server serves.
struct Platform {
    name: &'static str,
    port: u16,
}

/// Every source of the fixture, by the public API. There are two releases, whose tools and prompts are described differently.
async fn deploy(owner: &Api, platform: &Platform) {
    let Platform { name: host, port } = platform;
    owner.create_server(SERVER).await;
    let address = json!({ "value": format!("http://{host}:{port}"), "secret": false });
    owner.put(&format!("/api/v1/servers/{SERVER}/env/PLATFORM"), address).await.expect(200);
    let grants = json!({ "hosts": [{ "scheme": "http", "host": host, "port": port }], "env": ["PLATFORM"] });
    for entry in std::fs::read_dir(root().join("tests/conformance/fixture")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let grants = if name.starts_with("test_trigger_") { grants.clone() } else { json!({}) };
        put(owner, name, &source(name), grants).await;
    }
    owner.release(SERVER).await;
    for (name, description, other) in [
        ("test_simple_text", "Answers with a text.", "Answers with a simple text."),
        ("test_simple_prompt", "A prompt without arguments.", "A simple prompt."),
    ] {
        put(owner, name, &source(name).replace(description, other), json!({})).await;
    }
    owner.release(SERVER).await;
}

async fn put(owner: &Api, name: &str, source: &str, grants: Value) {
    let body = json!({ "language": "typescript", "source": source, "grants": grants });
    owner.put(&format!("/api/v1/servers/{SERVER}/tools/{name}"), body).await.expect(201);
}

fn source(name: &str) -> String {
    std::fs::read_to_string(root().join(format!("tests/conformance/fixture/{name}.ts"))).unwrap()
}

/// The suite, as `scripts/setup-clients` installs it.
struct Suite {
    node: PathBuf,
    script: PathBuf,
    url: String,
}

impl Suite {
    fn set_up(url: String) -> Self {
        let output = Command::new(root().join("scripts/setup-clients")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let clients = root().join(String::from_utf8(output.stdout).unwrap().lines().last().unwrap());
        let script = clients.join("conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js");
        Self { node: clients.join("node/node"), script, url }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.node);
        command.arg(&self.script).args(["server", "--url", &self.url]).args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR"));
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

fn report(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
