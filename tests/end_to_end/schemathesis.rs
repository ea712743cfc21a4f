//! Requests that no client would send, made of the OpenAPI document by Schemathesis: whatever comes, the program answers what the document says.
//! `tests/schemathesis` holds how it is set, and each exception with its reason.

use std::{fs, path::Path, process::Command};

use crate::{
    api::adder,
    browser::Browser,
    clients::{output_of, set_up},
    program::{ADMIN_KEY, Home, Program},
};

/// Nothing is counted that one address asks for: this test is one address.
const LIMITS: [&str; 8] = [
    "TOOLWRIGHT_REQUESTS_PER_MINUTE_MAX",
    "TOOLWRIGHT_FAILURES_PER_MINUTE_MAX",
    "TOOLWRIGHT_LOGINS_PER_MINUTE_MAX",
    "TOOLWRIGHT_TOKENS_PER_MINUTE_MAX",
    "TOOLWRIGHT_REGISTRATIONS_PER_HOUR_MAX",
    "TOOLWRIGHT_READS_PER_MINUTE_MAX",
    "TOOLWRIGHT_WRITES_PER_MINUTE_MAX",
    "TOOLWRIGHT_TRIES_PER_MINUTE_MAX",
];

/// The parts of the document, which are tried at one time: by a customer's key, by a person's cookie, by nobody, and by the admin key on a
/// program of its own, since it takes keys away and locks people out.
const PARTS: [(&str, &str); 4] = [
    ("customer", "^/api/v1/(audit|clients|executions|modules|servers)"),
    ("person", "^/api/v1/(account|invitations|members)"),
    ("anybody", r"^/($|oauth|health|\.well-known|api/v1/openapi|api/v1/types)"),
    (ADMIN, "^/(admin/|metrics)"),
];
const ADMIN: &str = "admin";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_the_answer_is_one_that_the_document_names() {
    let homes = [Home::new(), Home::new()];
    let [program, of_admin] = [serve(&homes[0]).await, serve(&homes[1]).await];
    let owner = program.customer("pro").await;
    // What the document's examples speak of.
    owner.create_server("weather").await;
    owner.put_tool("weather", "forecast", &adder("forecast", 1)).await;
    owner.release("weather").await;
    let mut browser = Browser::new(&program);
    browser.sign_up().await;
    let schemathesis = set_up().join("schemathesis/bin/schemathesis");

    let mut running = Vec::new();
    for (part, paths) in PARTS {
        let program = if part == ADMIN { &of_admin } else { &program };
        let mut command = command(&schemathesis, program, paths);
        command.current_dir(settings(&homes[0].path().join(part)));
        command.env("API_KEY", &owner.key).env("SIGN_IN", browser.cookie_value());
        running.push((part, tokio::spawn(output_of(command))));
    }

    let mut found = Vec::new();
    for (part, output) in running {
        let output = output.await.unwrap();
        if !output.status.success() {
            found.push(format!(
                "{part}:\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A copy of how it is set, in a folder of its own: it keeps what it found there, and begins with that the next time.
fn settings(folder: &Path) -> &Path {
    let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/schemathesis"));
    fs::create_dir(folder).unwrap();
    for name in ["schemathesis.toml", "hooks.py"] {
        fs::copy(sources.join(name), folder.join(name)).unwrap();
    }
    folder
}

async fn serve(home: &Home) -> Program {
    home.serve_with(|command| {
        command.envs(LIMITS.map(|name| (name, "100000000")));
    })
    .await
}

fn command(schemathesis: &Path, program: &Program, paths: &str) -> Command {
    let base = format!("http://{}", program.address);
    let mut command = Command::new(schemathesis);
    command
        .args(["--no-color", "--config-file", "schemathesis.toml", "run", &format!("{base}/api/v1/openapi.json")])
        .args(["--include-path-regex", paths])
        // A page of ours: a cookie alone changes nothing.
        .args(["--header", &format!("Origin: {base}")])
        .env("ADMIN_KEY", ADMIN_KEY)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
