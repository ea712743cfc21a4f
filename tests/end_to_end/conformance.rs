//! The protocol's own conformance suite, against a server of sandboxed tools that was deployed as anyone's is.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

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
async fn the_conformance_suite_finds_nothing_but_what_is_known() {
    let home = Home::new();
    let proxy = KeyProxy::bind().await;
    let origin = proxy.origin();
    // The suite takes the address that it was given for the server's own.
    let program = home
        .serve_with(|command| {
            command.env("TOOLWRIGHT_MCP_ALLOWED_ORIGINS", &origin);
        })
        .await;
    let owner = program.customer("enterprise").await;
    deploy(&owner).await;
    let _proxy = proxy.serve(&owner);
    let suite = Suite::set_up(format!("{origin}/mcp/{SERVER}"));

    for revision in REVISIONS {
        let known = root().join(format!("tests/conformance/expected-failures-{revision}.yaml"));
        let output = suite.run(&["--requirements", revision, "--expected-failures", known.to_str().unwrap()]).await;

        // An expected failure that does not happen fails it, too.
        assert!(output.status.success(), "{revision}:\n{}", report(&output));
    }
    for (scenario, revision) in UNSCORED {
        let output = suite.run(&["--scenario", scenario, "--spec-version", revision]).await;

        assert!(output.status.success(), "{scenario} in {revision}:\n{}", report(&output));
    }
}

/// Every source of the fixture, by the public API.
async fn deploy(owner: &Api) {
    owner.create_server(SERVER).await;
    for entry in std::fs::read_dir(root().join("tests/conformance/fixture")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        owner.put_tool(SERVER, name, &std::fs::read_to_string(&path).unwrap()).await;
    }
    owner.release(SERVER).await;
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
