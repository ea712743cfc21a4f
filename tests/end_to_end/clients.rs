//! The real clients of `tests/clients`, in both eras, against tools that anyone could have put.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;

use crate::{api::Api, program::Home};

const SERVER: &str = "checks";
const TOOLS: [&str; 10] = ["about", "add", "chatty", "consult", "count", "fail", "greeting", "note", "show", "sleep"];
const ERAS: [&str; 2] = ["2025-11-25", "2026-07-28"];

#[tokio::test(flavor = "multi_thread")]
async fn the_python_and_the_node_client_speak_both_eras() {
    let home = Home::new();
    let program = home.serve().await;
    let owner = program.customer("pro").await;
    deploy(&owner).await;
    let clients = set_up();

    for era in ERAS {
        for (name, runtime, script) in [
            ("python", clients.join("python/bin/python"), clients.join("python/check.py")),
            ("node", clients.join("node/node"), clients.join("node/check.mjs")),
        ] {
            let mut command = Command::new(runtime);
            command.arg(script).args(["--url", &format!("{}/mcp/{SERVER}", owner.base), "--api-key", &owner.key, "--era", era]);
            check(&format!("{name} in {era}"), 16, &output_of(command).await);
        }
    }

    let mut fastmcp = Command::new(clients.join("python/bin/python"));
    fastmcp.arg(clients.join("python/fastmcp_check.py"));
    fastmcp.args(["--url", &format!("{}/mcp/{SERVER}", owner.base), "--api-key", &owner.key]);
    check("fastmcp", 3, &output_of(fastmcp).await);

    assert_eq!(cancelled_calls(&owner, 4).await, 4, "each client took one call back in each era");
}

/// How many records of cancelled calls there are; records are written in batches, so this waits a while for `wanted`.
async fn cancelled_calls(owner: &Api, wanted: usize) -> usize {
    let mut found = 0;
    for _ in 0..100 {
        let records = owner.get("/api/v1/executions?server=checks&status=cancelled").await.expect(200);
        found = records["items"].as_array().unwrap().len();
        if found >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    found
}

async fn deploy(owner: &Api) {
    owner.create_server(SERVER).await;
    for tool in TOOLS {
        owner.put_tool(SERVER, tool, &source(tool)).await;
    }
    owner.release(SERVER).await;
    // A second release, so that a client can change which is served.
    owner.put_tool(SERVER, "fail", &source("fail").replace("the reason that", "whatever reason")).await;
    owner.release(SERVER).await;
}

pub(crate) fn source(tool: &str) -> String {
    std::fs::read_to_string(root().join(format!("tests/clients/tools/{tool}.ts"))).unwrap()
}

/// Makes the clients' environments, once for all runs.
pub(crate) fn set_up() -> PathBuf {
    let output = Command::new(root().join("scripts/setup-clients")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    root().join(String::from_utf8(output.stdout).unwrap().lines().last().unwrap())
}

pub(crate) async fn output_of(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

pub(crate) fn check(client: &str, checks: usize, output: &Output) {
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(output.status.success(), "{client}:\n{said}\n{errors}");
    assert_eq!(lines.len(), checks, "{client} makes so many checks:\n{said}\n{errors}");
    assert!(lines.iter().all(|line| line["ok"] == true), "{client}:\n{said}");
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
