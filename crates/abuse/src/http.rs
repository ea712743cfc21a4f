//! HTTP and MCP, also as no client library speaks them.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    api,
    case::{Case, Miss, Verdict, must},
    guest::{Code::JavaScript, deploy, usual},
    http2,
    tenant::Tenant,
    world::World,
};

const HTTP: &str = "http";

/// A server that has not cut a client by then never will: it is configured to wait for a second.
const CUT_MAX: Duration = Duration::from_secs(8);

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(HTTP, "slow headers", "cut, with a 408 or nothing", slow_head),
        Case::new(HTTP, "slow body", "cut in time", slow_body),
        Case::new(HTTP, "two hundred connections that say nothing", "cut; others are answered", silent_connections),
        Case::new(HTTP, "giant body", "413 before it is read", giant_body).quick(),
        Case::new(HTTP, "giant chunked body", "413 or cut, and not read to its end", chunked_body),
        Case::new(HTTP, "header flood", "431", header_flood).quick(),
        Case::new(HTTP, "two lengths for one body", "400, and the connection ends", two_lengths),
        Case::new(HTTP, "length and chunks for one body", "400, or the connection ends", smuggled),
        Case::new(HTTP, "HTTP/2 rapid reset", "the connection ends", http2::rapid_reset).quick(),
        Case::new(HTTP, "HTTP/2 frames without end", "the connection ends", http2::frame_flood),
        Case::new(HTTP, "idle SSE flood", "no more than a caller's share; others are answered", idle_streams),
        messages("batches", r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#).quick(),
        messages("JSON with duplicate keys", &call_of(r#"{"a":1,"a":2}"#)),
        messages("JSON with half a surrogate pair", &call_of(r#"{"a":"\ud800"}"#)),
        messages("JSON with 1e999", &call_of(r#"{"a":1e999}"#)),
        messages("JSON that ends early", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"#),
        Case::new(HTTP, "duplicate ids at one time", "each has its own answer; none can be cancelled for another", duplicate_ids),
        Case::new(HTTP, "Host rebinding", "421", host_rebinding).quick(),
        Case::new(HTTP, "Origin of another site", "403", other_origin).quick(),
        Case::new(HTTP, "header and body that disagree", "400 and -32020", disagreeing).quick(),
        Case::new(HTTP, "path traversal", "404 or 400, and no file", traversal),
    ]
}

fn call_of(arguments: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"attack","arguments":{arguments}}}}}"#)
}

/// A message that is answered 400 before anything runs.
fn messages(name: &'static str, body: &str) -> Case {
    let body = body.to_owned();
    Case::new(HTTP, name, "an error of JSON-RPC, before anything runs", move |world| refused_message(world, body.clone()))
}

async fn refused_message(world: Arc<World>, body: String) -> Verdict {
    let (tenant, slug) = quiet_tool(&world).await?;
    let answer = api::read(tenant.api().mcp(&slug, body)).await?;
    // Before 2026 an error of JSON-RPC comes with 200 where the message itself could be read.
    must([200, 400].contains(&answer.status) && answer.at("/error/code").starts_with("-32"), || {
        format!("answered {}", answer.brief())
    })?;
    let records = tenant.api().get("/api/v1/executions").await?.expect(200)?;
    must(records.at("/items") == "[]", || format!("something ran: {}", records.brief()))?;
    Ok(format!("{} {} {}", answer.status, answer.at("/error/code"), answer.at("/error/message")).chars().take(57).collect())
}

async fn quiet_tool(world: &World) -> Result<(Tenant, String), Miss> {
    let tenant = world.tenant(&usual()).await?;
    let slug = deploy(world, &tenant, JavaScript("return 1;")).await?;
    Ok((tenant, slug))
}

async fn slow_head(world: Arc<World>) -> Verdict {
    let mut stream = connect(&world).await?;
    stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n").await?;
    for _ in 0..80 {
        // Whoever is cut cannot write.
        if stream.write_all(b"x-drip: 1\r\n").await.is_err() || closed(&mut stream, Duration::from_millis(100)).await {
            return Ok("cut".to_owned());
        }
    }
    Err(Miss::new("a head that never ends was waited for"))
}

async fn slow_body(world: Arc<World>) -> Verdict {
    let (tenant, slug) = quiet_tool(&world).await?;
    let mut stream = connect(&world).await?;
    stream.write_all(head(&tenant, &slug, "content-length: 1000").as_bytes()).await?;
    for _ in 0..400 {
        if stream.write_all(b" ").await.is_err() {
            return Ok("cut".to_owned());
        }
        let mut answer = [0; 512];
        if let Ok(read) = timeout(Duration::from_millis(100), stream.read(&mut answer)).await {
            let text = String::from_utf8_lossy(answer.get(..read.unwrap_or(0)).unwrap_or_default()).into_owned();
            let refused = text.is_empty() || text.starts_with("HTTP/1.1 408") || text.starts_with("HTTP/1.1 4");
            must(refused, || format!("answered {text}"))?;
            return Ok(text.lines().next().unwrap_or("cut").to_owned());
        }
    }
    Err(Miss::new("a body that drips was waited for"))
}

async fn silent_connections(world: Arc<World>) -> Verdict {
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(connect(&world).await?);
    }
    world.nobody().get("/health/live").await?.expect(200)?;
    let cut = futures_util::future::join_all(open.iter_mut().map(|stream| closed(stream, CUT_MAX))).await;
    let left = cut.iter().filter(|cut| !**cut).count();
    must(left == 0, || format!("{left} are still open"))?;
    Ok("200 connections cut".to_owned())
}

async fn giant_body(world: Arc<World>) -> Verdict {
    let (tenant, slug) = quiet_tool(&world).await?;
    let mut stream = connect(&world).await?;
    stream.write_all(head(&tenant, &slug, "content-length: 1073741824").as_bytes()).await?;
    expect_status(&mut stream, &["413"]).await
}

/// A source of ten megabytes, whose length is told first.
pub(crate) async fn giant_source(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    let mut stream = connect(&world).await?;
    let head = format!(
        "PUT /api/v1/servers/{slug}/tools/attack HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 10485760\r\n\r\n",
        tenant.api().key()
    );
    stream.write_all(head.as_bytes()).await?;
    let told = expect_status(&mut stream, &["413"]).await?;
    tenant.api().get(&format!("/api/v1/servers/{slug}/tools/attack")).await?.expect(404)?;
    Ok(told)
}

/// A component whose sections that nobody reads have more bytes than the tier keeps: its length is told first.
pub(crate) async fn giant_component(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&json!({"artifact_bytes_max": 32 << 20})).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    let mut stream = connect(&world).await?;
    let head = format!(
        "PUT /api/v1/servers/{slug}/tools/attack?export=run HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-type: application/wasm\r\ncontent-length: {}\r\n\r\n",
        tenant.api().key(),
        36 << 20
    );
    stream.write_all(head.as_bytes()).await?;
    let mut text = String::new();
    let mut bytes = [0; 4096];
    // The answer names the limit near its end.
    while !text.contains("artifact_bytes_max") {
        let read = timeout(CUT_MAX, stream.read(&mut bytes)).await.map_err(|_| Miss::new(format!("answered {text}")))??;
        must(read > 0, || format!("answered {text}"))?;
        text.push_str(&String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()));
    }
    let status = text.lines().next().unwrap_or_default().to_owned();
    must(status.contains(" 413 ") || status.contains(" 422 "), || format!("answered {text}"))?;
    tenant.api().get(&format!("/api/v1/servers/{slug}/tools/attack")).await?.expect(404)?;
    Ok(format!("{status}, by artifact_bytes_max"))
}

async fn chunked_body(world: Arc<World>) -> Verdict {
    let (tenant, slug) = quiet_tool(&world).await?;
    let mut stream = connect(&world).await?;
    stream.write_all(head(&tenant, &slug, "transfer-encoding: chunked").as_bytes()).await?;
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 65_536], b"\r\n"].concat();
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        let mut sent = 0_u64;
        while sent < 1 << 30 && writer.write_all(&chunk).await.is_ok() {
            sent += 65_536;
        }
        sent
    });
    let mut answer = [0; 12];
    let read = timeout(CUT_MAX, reader.read_exact(&mut answer)).await.map_err(|_| Miss::new("there was no answer"))?;
    let status = read.map_or_else(|_| "cut".to_owned(), |_| String::from_utf8_lossy(&answer).into_owned());
    drop(reader);
    let sent = timeout(CUT_MAX, writing).await.ok().and_then(Result::ok).unwrap_or(1 << 30);
    must(status == "cut" || status.ends_with("413"), || format!("answered {status}"))?;
    must(sent < 256 << 20, || format!("{sent} bytes were taken"))?;
    Ok(format!("{status} after {} MiB", sent >> 20))
}

async fn header_flood(world: Arc<World>) -> Verdict {
    let mut stream = connect(&world).await?;
    let mut head = String::from("GET /health/live HTTP/1.1\r\nhost: localhost\r\n");
    for index in 0..5_000 {
        // Writing into a string does not fail.
        write!(head, "x-{index}: {}\r\n", "y".repeat(100)).ok();
    }
    // The server need not read it all.
    stream.write_all(head.as_bytes()).await.ok();
    expect_status(&mut stream, &["431"]).await
}

async fn two_lengths(world: Arc<World>) -> Verdict {
    let (tenant, slug) = quiet_tool(&world).await?;
    let mut stream = connect(&world).await?;
    stream.write_all(head(&tenant, &slug, "content-length: 2\r\ncontent-length: 40").as_bytes()).await?;
    expect_status(&mut stream, &["400"]).await
}

async fn smuggled(world: Arc<World>) -> Verdict {
    let (tenant, slug) = quiet_tool(&world).await?;
    let mut stream = connect(&world).await?;
    let head = head(&tenant, &slug, "content-length: 4\r\ntransfer-encoding: chunked");
    let hidden = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(format!("{head}0\r\n\r\n{hidden}").as_bytes()).await?;
    let mut all = Vec::new();
    timeout(CUT_MAX, stream.read_to_end(&mut all)).await.map_err(|_| Miss::new("the connection went on"))??;
    let text = String::from_utf8_lossy(&all);
    must(text.matches("HTTP/1.1 ").count() <= 1, || format!("the hidden request was answered: {text}"))?;
    Ok(text.lines().next().unwrap_or("the connection ended").to_owned())
}

/// Streams of one caller without end: it has a share of them.
async fn idle_streams(world: Arc<World>) -> Verdict {
    let (tenant, slug) = quiet_tool(&world).await?;
    let mut open = Vec::new();
    for _ in 0..200 {
        let request = tenant.api().request(Method::GET, &format!("/mcp/{slug}")).header("accept", "text/event-stream");
        let answer = request.header("mcp-protocol-version", "2025-11-25").header("mcp-session-id", "abuse").send().await?;
        if answer.status() != 200 {
            let status = answer.status().as_u16();
            must([429, 503].contains(&status), || format!("answered {status}"))?;
            world.nobody().get("/health/live").await?.expect(200)?;
            return Ok(format!("{} streams, then {status}", open.len()));
        }
        open.push(answer);
    }
    Err(Miss::new("one caller holds 200 streams"))
}

/// Four calls that the client knows by one name: whichever it means when it takes one back, none may be stopped for another, and each has the
/// answer to what it asked.
async fn duplicate_ids(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    let body = "await new Promise((resolve) => setTimeout(resolve, 400)); return { is: input.is };";
    let slug = deploy(&world, &tenant, JavaScript(body)).await?;
    let call = |is: usize| {
        let params = json!({"name": "attack", "arguments": {"is": is}});
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
        api::read(tenant.api().mcp(&slug, message.to_string()))
    };
    let cancelling = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let message = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
        api::read(tenant.api().mcp(&slug, message.to_string())).await
    };
    let (answers, cancelled) = tokio::join!(futures_util::future::join_all((0..4).map(call)), cancelling);
    cancelled?.expect(202)?;
    for (is, answer) in answers.into_iter().enumerate() {
        let answer = answer?.expect(200)?;
        let own = answer.at("/id") == "7" && answer.at("/result/structuredContent/is") == is.to_string();
        must(own, || format!("call {is} was answered {}", answer.brief()))?;
    }
    tenant.is_charged("success").await?;
    let mut count = 0;
    // Records are written behind the calls.
    for _ in 0..50 {
        let records = tenant.api().get("/api/v1/executions?status=success").await?.expect(200)?.json();
        count = records["items"].as_array().map_or(0, Vec::len);
        if count == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    must(count == 4, || format!("{count} calls are recorded"))?;
    Ok("4 answered, each its own".to_owned())
}

async fn host_rebinding(world: Arc<World>) -> Verdict {
    for path in ["/mcp/neighbour", "/api/v1/servers", "/admin/v1/customers", "/sign-in", "/oauth/jwks"] {
        let answer = api::read(world.admin().request(Method::GET, path).header("host", "rebound.evil.test")).await?;
        must(answer.status == 421, || format!("{path}: answered {}", answer.brief()))?;
    }
    Ok("421 at every door".to_owned())
}

async fn other_origin(world: Arc<World>) -> Verdict {
    let (tenant, slug) = quiet_tool(&world).await?;
    for origin in ["https://evil.test", "null", "http://localhost.evil.test", "https://127.0.0.1"] {
        let answer = api::read(tenant.api().mcp(&slug, call_of("{}")).header("origin", origin)).await?;
        must(answer.status == 403, || format!("{origin}: answered {}", answer.brief()))?;
        must(answer.header("access-control-allow-origin").is_empty(), || format!("{origin} may read the answer"))?;
    }
    Ok("403".to_owned())
}

async fn disagreeing(world: Arc<World>) -> Verdict {
    let (tenant, slug) = quiet_tool(&world).await?;
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "attack", "arguments": {}, "_meta": meta},
    });
    for (header, value) in [("mcp-method", "tools/list"), ("mcp-name", "other"), ("mcp-protocol-version", "2025-06-18")] {
        let mut request = tenant.api().request(Method::POST, &format!("/mcp/{slug}")).body(body.to_string());
        request = request.header("content-type", "application/json").header("accept", "application/json, text/event-stream");
        for (name, right) in [("mcp-method", "tools/call"), ("mcp-name", "attack"), ("mcp-protocol-version", "2026-07-28")] {
            request = request.header(name, if name == header { value } else { right });
        }
        let answer = api::read(request).await?;
        must(answer.status == 400 && answer.at("/error/code") == "-32020", || format!("{header}: answered {}", answer.brief()))?;
    }
    Ok("400 -32020".to_owned())
}

async fn traversal(world: Arc<World>) -> Verdict {
    for path in
        ["/../../../../etc/passwd", "/assets/../../../etc/passwd", "/assets/%2e%2e/%2e%2e/etc/passwd", "/mcp/..%2f..%2fetc"]
    {
        let mut stream = connect(&world).await?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes()).await?;
        let mut all = Vec::new();
        timeout(CUT_MAX, stream.read_to_end(&mut all)).await.map_err(|_| Miss::new("there was no answer"))??;
        let text = String::from_utf8_lossy(&all);
        let refused = text.starts_with("HTTP/1.1 4") && !text.contains("root:");
        must(refused, || format!("{path}: answered {}", text.chars().take(200).collect::<String>()))?;
    }
    Ok("4xx, no file".to_owned())
}

/// The head of a POST to the server, without its end's body.
fn head(tenant: &Tenant, slug: &str, more: &str) -> String {
    format!(
        "POST /mcp/{slug} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\n{more}\r\n\r\n",
        tenant.api().key()
    )
}

pub(crate) async fn connect(world: &World) -> Result<TcpStream, Miss> {
    let stream = TcpStream::connect(world.server().address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether the other side ends the connection within `patience`.
pub(crate) async fn closed(stream: &mut TcpStream, patience: Duration) -> bool {
    let mut bytes = [0; 4096];
    let reading = async { while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {} };
    timeout(patience, reading).await.is_ok()
}

async fn expect_status(stream: &mut TcpStream, statuses: &[&str]) -> Verdict {
    let mut line = [0; 12];
    let read = timeout(CUT_MAX, stream.read_exact(&mut line)).await.map_err(|_| Miss::new("there was no answer"))?;
    read.map_err(|error| Miss::new(format!("there was no answer: {error}")))?;
    let text = String::from_utf8_lossy(&line).into_owned();
    must(statuses.iter().any(|status| text.ends_with(status)), || format!("answered {text}"))?;
    Ok(text)
}
