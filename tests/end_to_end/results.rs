//! Many large results at one time, for clients that read nothing of them.

use std::{fs, net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    api::{Api, adder},
    program::{Home, Program},
};

/// Of which one customer may have a half.
const GUEST_MEMORY_BYTES: u64 = 256 << 20;

/// Each answer of them is a message of twelve megabytes: a gigabyte and a half, were all of them there at one time.
const CLIENTS: usize = 120;

/// A text of quotes: four megabytes as JSON, eight as a text within a text.
const LARGE: &str = r#"import { tool } from "toolwright";
export default tool({
  name: "large", description: "Answers at length.", input: { type: "object" },
  run() { return { text: '"'.repeat(2_000_000) }; },
});
"#;

/// What the process has beside guests and results: answers that are being written, stacks, what the allocator keeps.
const BESIDE_KIB: u64 = 192 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn results_that_nobody_reads_have_no_more_memory_than_guests_may_have() {
    let home = Home::new();
    let program = home
        .serve_with(|command| {
            command.env("TOOLWRIGHT_GUEST_MEMORY_BYTES_MAX", GUEST_MEMORY_BYTES.to_string());
        })
        .await;
    let greedy = customer_of_large_results(&program).await;
    let other = program.customer("free").await;
    other.create_server("sums").await;
    other.put_tool("sums", "add", &adder("add", 2)).await;
    other.release("sums").await;
    greedy.create_server("novels").await;
    greedy.put_tool("novels", "large", LARGE).await;
    greedy.release("novels").await;
    greedy.call("novels", "large", json!({})).await.unwrap().expect(200);
    other.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
    let before = kib(&program, "VmRSS:");

    let asked: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(ask(program.address, greedy.key.clone()))).collect();
    let (mut answered, mut refused, mut open) = (0, 0, Vec::new());
    for client in asked {
        let (status, stream) = client.await.unwrap();
        match status.as_str() {
            "200" => answered += 1,
            "429" => refused += 1,
            other => panic!("answered {other}"),
        }
        open.push(stream);
    }
    let calm = other.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
    let peak = kib(&program, "VmHWM:");

    assert_eq!(calm["result"]["structuredContent"], json!({"sum": 3}), "another customer is answered meanwhile");
    assert!(answered >= 4 && refused > 0, "{answered} answered, {refused} refused");
    let more = peak.saturating_sub(before);
    assert!(more < GUEST_MEMORY_BYTES / 2 / 1024 + BESIDE_KIB, "{answered} unread answers took {} MiB", more / 1024);
    drop(open);
    for _ in 0..100 {
        if greedy.call("novels", "large", json!({})).await.unwrap().status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("what was taken did not come back");
}

async fn customer_of_large_results(program: &Program) -> Api {
    let admin = program.admin();
    let mut limits = admin.get("/admin/v1/tiers/enterprise").await.expect(200)["limits"].clone();
    limits["output_bytes_max"] = json!(8 << 20);
    limits["queue_wait_ms_max"] = json!(60_000);
    limits["concurrent_calls_max"] = json!(16);
    admin.put("/admin/v1/tiers/novelists", json!({ "limits": limits })).await.expect(200);
    program.customer("novelists").await
}

/// Calls the tool on a connection of its own, and reads no more than the status of the answer.
async fn ask(address: SocketAddr, key: String) -> (String, TcpStream) {
    let body: Value = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "large", "arguments": {}}});
    let body = body.to_string();
    let head = format!(
        "POST /mcp/novels HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.unwrap();
    (String::from_utf8_lossy(&line[9..]).into_owned(), stream)
}

/// A line of `/proc/pid/status`, in KiB.
fn kib(program: &Program, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
