//! What the program writes: its log on stderr, and the banner on stdout.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    api::{Api, adder},
    program::Home,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_json_and_a_call_is_found_by_its_request_id() {
    let home = Home::new();
    let program = home.serve_with(|command| _ = command.stdout(Stdio::null())).await;
    let owner = program.customer("pro").await;
    owner.create_server("logged").await;
    owner.put_tool("logged", "add", &adder("add", 1)).await;
    owner.release("logged").await;
    owner.get("/nowhere").await.expect(404);

    let answer = owner.call("logged", "add", json!({"n": 1})).await.unwrap();

    let id = answer.request_id.clone();
    answer.expect(200);
    assert!(!id.is_empty());
    let mut records = Value::Null;
    for _ in 0..100 {
        records = owner.get("/api/v1/executions?server=logged").await.expect(200)["items"].clone();
        if records[0]["request_id"].is_string() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(records[0]["request_id"], id.as_str(), "{records}");
    let version = format!("/api/v1/servers/logged/tools/add/versions/{}", records[0]["version_id"].as_str().unwrap());
    let digest = owner.get(&version).await.expect(200)["digest"].clone();
    program.signal(rustix::process::Signal::TERM);
    let log = program.log_after_end().await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    for line in &lines {
        assert!(["timestamp", "level", "message", "target"].iter().all(|name| line[name].is_string()), "{line}");
    }
    assert_eq!(lines.last().unwrap()["message"], "stopped");
    let of_the_call = lines.iter().find(|line| line["spans"][0]["request_id"] == id.as_str()).expect("the call is in the log");
    assert_eq!(of_the_call["spans"][0]["route"], "/mcp/{server}", "{of_the_call}");
    let executed: Vec<&Value> = lines.iter().filter(|line| line["request_id"] == id.as_str()).collect();
    let [executed] = executed.as_slice() else { panic!("one line for the code that ran: {executed:?}") };
    assert_eq!((&executed["target"], &executed["caller"]), (&json!("toolwright::executed"), &json!("api_key")), "{executed}");
    assert_eq!((&executed["server.slug"], &executed["tool.name"]), (&json!("logged"), &json!("add")), "{executed}");
    assert_eq!(executed["version_id"], records[0]["version_id"], "{executed}");
    assert_eq!(executed["digest"], digest, "{executed}");
    assert!(["customer_id", "api_key_id", "server_id", "call_id"].iter().all(|name| executed[name].is_string()), "{executed}");
    let answered = lines.iter().filter(|line| line["spans"][0]["request_id"] == id.as_str());
    let sensitive: Vec<&str> = answered.filter_map(|line| line["sensitive"].as_str()).collect();
    assert_eq!(sensitive, ["authorization"], "the line of the answer names it");
    assert!(!log.contains("tw_") && !log.contains("Bearer "), "headers that carry something secret are named and not shown");
}

/// A pipe holds 64 KiB, so a few hundred lines: whoever waited for the reader would answer no more after them.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_whoever_reads_the_log() {
    let home = Home::new();
    let (unread, log) = std::io::pipe().unwrap();
    let program = home.serve_with(|command| _ = command.env("TOOLWRIGHT_LOG", "info").stdout(Stdio::null()).stderr(log)).await;
    let anyone = Api::new(program.address, "tw_0");

    let answers = async {
        for _ in 0..1_000 {
            anyone.get("/nowhere").await.expect(404);
        }
    };

    tokio::time::timeout(Duration::from_mins(1), answers).await.expect("no request waits for the log");
    drop(unread);
    anyone.get("/nowhere").await.expect(404);
    program.stop(rustix::process::Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_call_answers_when_it_is_pasted() {
    let home = Home::new();
    let path = home.path().join("banner");
    let banner = File::create(&path).unwrap();
    let _program = home.serve_with(|command| _ = command.stdout(banner)).await;
    // The banner comes a moment after the first answer.
    let mut text = String::new();
    for _ in 0..100 {
        text = fs::read_to_string(&path).unwrap();
        if text.contains("iban_check") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let call = &text[text.find("curl ").expect("a call is printed")..];

    let output = Command::new("sh").args(["-c", call]).output().unwrap();

    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(answer["result"]["structuredContent"]["valid"], true, "{answer}");
}
