//! HTTP by hand: what the real program makes of requests that no library sends, and of clients that write before they read.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    api::{Api, adder},
    program::{Home, Program},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that are beyond what any of the doors below reads, and beyond what the sockets hold.
const FAR_TOO_MANY: usize = 5_000_000;

async fn connect(program: &Program) -> TcpStream {
    TcpStream::connect(program.address).await.unwrap()
}

/// Writes all of it, and reads then.
async fn send(program: &Program, bytes: &[u8]) -> String {
    let mut stream = connect(program).await;
    timeout(PATIENCE, stream.write_all(bytes)).await.expect("the server reads").expect("nothing is cut while it is written");
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the connection ends").expect("and is not reset");
    String::from_utf8_lossy(&all).into_owned()
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte =
            timeout(PATIENCE, stream.read_u8()).await.expect("an answer").unwrap_or_else(|_| panic!("no more than {text}"));
        text.push(char::from(byte));
    }
    text
}

/// The statuses of the answers, one after the other.
fn statuses(text: &str) -> Vec<&str> {
    text.split("HTTP/1.").skip(1).filter_map(|answer| answer.split(' ').nth(1)).collect()
}

async fn serve_sums(program: &Program) -> Api {
    let owner = program.customer("pro").await;
    owner.create_server("sums").await;
    owner.put_tool("sums", "add", &adder("add", 40)).await;
    owner.release("sums").await;
    owner
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"n":1}}}"#;

/// The head of a call, with a key.
fn call_head(key: &str, more: &str) -> String {
    format!(
        "POST /mcp/sums HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\n{more}\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_too_much_before_reading_reads_why() {
    let home = Home::new();
    let program = home.serve().await;
    let owner = serve_sums(&program).await;
    let body = vec![b'x'; FAR_TOO_MANY];
    let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    let json = format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", owner.key);

    for (what, head, is_chunked, status) in [
        ("a message", call_head(&owner.key, "content-length: 5000000"), false, "413"),
        ("a message in chunks", call_head(&owner.key, "transfer-encoding: chunked"), true, "413"),
        ("a message of a stranger", call_head("tw_guessed", "content-length: 5000000"), false, "401"),
        ("a body of REST", format!("POST /api/v1/servers HTTP/1.1\r\nhost: localhost\r\n{json}content-length: 5000000\r\n\r\n"), false, "413"),
        ("a body of REST in chunks", format!("POST /api/v1/servers HTTP/1.1\r\nhost: localhost\r\n{json}transfer-encoding: chunked\r\n\r\n"), true, "413"),
        ("a form of a client", "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 5000000\r\n\r\n".to_owned(), false, "413"),
        ("a form of a browser", "POST /sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 5000000\r\n\r\n".to_owned(), false, "403"),
        ("to nobody", "POST /nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000000\r\n\r\n".to_owned(), false, "404"),
        ("to another host", "POST /mcp/sums HTTP/1.1\r\nhost: evil.test\r\ncontent-length: 5000000\r\n\r\n".to_owned(), false, "421"),
    ] {
        let answer = send(&program, &[head.as_bytes(), if is_chunked { &chunk } else { &body }].concat()).await;

        assert_eq!(statuses(&answer), [status], "{what}: {answer}");
        assert!(answer.contains("connection: close\r\n") && answer.contains("x-request-id: "), "{what}: {answer}");
    }
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x-many: of them\r\n".repeat(200_000));
    let answer = send(&program, head.as_bytes()).await;
    assert_eq!(statuses(&answer), ["431"], "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_before_it_sends_its_body_is_told_to_go_on_or_why_not() {
    let home = Home::new();
    let program = home.serve().await;
    let owner = serve_sums(&program).await;
    let expects = |key: &str, length: usize| call_head(key, &format!("expect: 100-continue\r\ncontent-length: {length}"));

    let mut stream = connect(&program).await;
    stream.write_all(expects(&owner.key, CALL.len()).as_bytes()).await.unwrap();
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(CALL.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    drop(stream);

    for (key, length, status) in [("tw_guessed", CALL.len(), "401"), (&owner.key, FAR_TOO_MANY, "413")] {
        let mut stream = connect(&program).await;
        stream.write_all(expects(key, length).as_bytes()).await.unwrap();

        assert_eq!(statuses(&read_to_end(&mut stream).await), [status], "its body is not asked for");
    }
}

/// Two programs that differ in nothing else: what is configured ends it, and no other number does.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stays_away_is_waited_for_as_long_as_is_configured() {
    let (one, other) = (Home::new(), Home::new());
    let serve =
        async |home: &Home, seconds: &str| home.serve_with(|command| _ = command.env("TOOLWRIGHT_BODY_TIMEOUT_S", seconds)).await;
    let (hasty, patient) = tokio::join!(serve(&one, "1"), serve(&other, "600"));
    let half = "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 20\r\n\r\ngrant_type";

    let (mut cut, mut waiting) = (connect(&hasty).await, connect(&patient).await);
    waiting.write_all(half.as_bytes()).await.unwrap();
    cut.write_all(half.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let answer = read_to_end(&mut cut).await;
    let took = begun.elapsed();

    assert_eq!(statuses(&answer), ["408"], "{answer}");
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(20), "{took:?}");
    let answered = timeout(Duration::from_secs(3), waiting.read_u8()).await;
    assert!(answered.is_err(), "the other one waits: {answered:?}");
    waiting.write_all(b"=something").await.unwrap();
    let answer = read_until(&mut waiting, "}").await;
    assert_eq!(statuses(&answer), ["401"], "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_as_no_library_writes_them() {
    let home = Home::new();
    let program = home.serve().await;
    let live = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n";
    let last = "connection: close\r\n\r\n";
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n{last}", "x".repeat(40_000));
    let very_long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n{last}", "x".repeat(70_000));
    let method = format!("{} / HTTP/1.1\r\nhost: localhost\r\n{last}", "X".repeat(10_000));

    for (what, request, wanted) in [
        (
            "one after the other",
            format!("{live}\r\n{live}\r\nGET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n{live}{last}"),
            vec!["200", "200", "404", "200"],
        ),
        ("empty lines before", format!("\r\n\r\n{live}{last}"), vec!["200"]),
        ("junk behind", format!("{live}\r\nJUNK\r\n\r\n"), vec!["200", "400"]),
        ("junk behind the last", format!("{live}{last}JUNK"), vec!["200"]),
        ("a target with a host", format!("GET http://localhost/health/live HTTP/1.1\r\nhost: localhost\r\n{last}"), vec!["200"]),
        ("a target with another host", format!("GET http://localhost/ HTTP/1.1\r\nhost: 127.0.0.1\r\n{last}"), vec!["400"]),
        ("a target with a foreign host", format!("GET http://evil.test/ HTTP/1.1\r\nhost: evil.test\r\n{last}"), vec!["421"]),
        (
            "a target with another scheme",
            format!("GET ftp://localhost/health/live HTTP/1.1\r\nhost: localhost\r\n{last}"),
            vec!["200"],
        ),
        ("the whole server", format!("OPTIONS * HTTP/1.1\r\nhost: localhost\r\n{last}"), vec!["404"]),
        ("a tunnel", format!("CONNECT localhost:443 HTTP/1.1\r\nhost: localhost:443\r\n{last}"), vec!["405"]),
        ("a trace", format!("TRACE / HTTP/1.1\r\nhost: localhost\r\ncookie: secret\r\n{last}"), vec!["405"]),
        ("a method of another case", format!("get / HTTP/1.1\r\nhost: localhost\r\n{last}"), vec!["405"]),
        ("a method without end", method, vec!["405"]),
        (
            "another protocol",
            format!("{live}upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\r\n{live}{last}"),
            vec!["200", "200"],
        ),
        ("HTTP/1.0", "GET /health/live HTTP/1.0\r\nhost: localhost\r\n\r\n".to_owned(), vec!["200"]),
        ("HTTP/1.0 without a host", "GET / HTTP/1.0\r\n\r\n".to_owned(), vec!["400"]),
        ("no host", format!("GET / HTTP/1.1\r\n{last}"), vec!["400"]),
        ("two hosts", format!("GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n{last}"), vec!["400"]),
        (
            "two lengths",
            format!("POST /sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx{live}{last}"),
            vec!["400"],
        ),
        ("a folded field", format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-a: b\r\n c\r\n{last}"), vec!["400"]),
        ("a NUL", format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-a: b\0\r\n{last}"), vec!["400"]),
        ("an escape", format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-a: \x1b[31m\r\n{last}"), vec!["400"]),
        ("a carriage return", format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-a: b\rx-c: d\r\n{last}"), vec!["400"]),
        ("a NUL in the target", format!("GET /\0 HTTP/1.1\r\nhost: localhost\r\n{last}"), vec!["400"]),
        ("a space in the target", format!("GET /a b HTTP/1.1\r\nhost: localhost\r\n{last}"), vec!["400"]),
        ("two spaces", format!("GET  / HTTP/1.1\r\nhost: localhost\r\n{last}"), vec!["400"]),
        ("a space before the colon", format!("GET / HTTP/1.1\r\nhost : localhost\r\n{last}"), vec!["400"]),
        (
            "lines that end in LF alone",
            "GET /health/live HTTP/1.1\nhost: localhost\nconnection: close\n\n".to_owned(),
            vec!["200"],
        ),
        ("a long target", long, vec!["431"]),
        ("a longer one", very_long, vec!["431"]),
    ] {
        let answer = send(&program, request.as_bytes()).await;

        assert_eq!(statuses(&answer), wanted, "{what}: {answer}");
        assert!(!answer.contains("cookie: secret"), "{what}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_in_chunks_with_all_that_may_be_in_them() {
    let home = Home::new();
    let program = home.serve().await;
    let owner = serve_sums(&program).await;
    let behind = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let chunked = |body: &str| format!("{}{body}{behind}", call_head(&owner.key, "transfer-encoding: chunked"));
    let half = CALL.len() / 2;
    let (first, second) = CALL.split_at(half);
    let in_chunks = |extension: &str, trailers: &str| {
        chunked(&format!("{half:x}{extension}\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\n{trailers}\r\n", second.len()))
    };

    for (what, request, wanted) in [
        ("chunks with extensions", in_chunks(";name=value;other=\"quoted\"", ""), vec!["200"]),
        ("fields behind chunks", in_chunks("", "authorization: Bearer other\r\nhost: evil.test\r\n"), vec!["200"]),
        ("chunks that break off", chunked("2\r\nxyz\r\n0\r\n\r\n"), vec!["400"]),
    ] {
        let answer = send(&program, request.as_bytes()).await;

        assert_eq!(statuses(&answer), wanted, "{what}: {answer}");
        assert!(wanted != ["200"] || answer.contains("41"), "{what}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_line_of_the_log_can_be_made_by_a_client() {
    let home = Home::new();
    for format in ["json", "human"] {
        let program = home.serve_with(|command| _ = command.env("TOOLWRIGHT_LOG_FORMAT", format).stdout(Stdio::null())).await;
        let before = program.log().len();
        let mut requests = Vec::new();
        for (target, field) in [
            ("/%0a%0dFORGED", "x-request-id: ok\tFORGED".as_bytes()),
            ("/mcp/%1b%5b31mFORGED", b"x-request-id: \xc2\x9b31mFORGED"),
            ("/api/v1/servers/%0aFORGED?%0aFORGED", b"authorization: Bearer \xff\xe2\x80\xaeFORGED"),
            ("/\u{7f}\u{202e}FORGED", b"cookie: toolwright=FORGED\xc2\x85"),
            ("/sign-in?return_to=%0aFORGED", b"x-env-forged: FORGED"),
            ("/\u{9b}31mFORGED", b"user-agent: \xc2\x9bFORGED"),
        ] {
            let head =
                [format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n").as_bytes(), field, b"\r\n\r\n"]
                    .concat();
            requests.push(send(&program, &head).await);
        }
        requests.push(
            send(
                &program,
                format!("{} / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", "F".repeat(9_000)).as_bytes(),
            )
            .await,
        );
        program.signal(rustix::process::Signal::TERM);
        let log = program.log_after_end().await;
        let written = &log[before..];

        assert!(written.lines().count() >= requests.len(), "{written}");
        assert!(written.chars().all(|character| character == '\n' || !character.is_control()), "{written:?}");
        assert!(!written.contains('\u{202e}'), "{written:?}");
        for line in written.lines() {
            assert!(line.len() < 2_000, "{line}");
            assert!(!line.starts_with("FORGED"), "{line}");
            assert!(format != "json" || serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
    }
}
