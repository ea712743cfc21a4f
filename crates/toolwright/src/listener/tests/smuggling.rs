//! Requests that two programs on one way could read as different ones (RFC 9112, section 11.2): refused, or the last of their connection.

use super::*;

/// What is sent behind each, to be taken for a request of its own.
const SMUGGLED: &str = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn send(running: &Running, request: &str) -> String {
    let mut stream = running.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /body HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n\r\n{body}")
}

#[tokio::test]
async fn a_body_whose_end_is_not_certain_is_the_last_thing_on_its_connection() {
    let running = start(settings()).await;
    let chunked = "5\r\nabcde\r\n0\r\n\r\n";
    for (fields, body, wanted) in [
        ("content-length: 4\r\ntransfer-encoding: chunked", chunked, "200"),
        ("transfer-encoding: chunked\r\ncontent-length: 4", chunked, "200"),
        ("transfer-encoding: chunked", chunked, "200"),
        ("transfer-encoding: gzip, chunked", chunked, "200"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity", chunked, "400"),
        ("transfer-encoding: chunked, identity", chunked, "400"),
        ("transfer-encoding: xchunked", chunked, "400"),
        ("transfer-encoding: \"chunked\"", chunked, "400"),
        ("transfer-encoding : chunked", chunked, "400"),
        ("transfer-encoding:\x0bchunked", chunked, "400"),
        ("content-length: 4\r\ncontent-length: 5", "abcd", "400"),
        ("content-length: 4, 4", "abcd", "400"),
        ("content-length: +4", "abcd", "400"),
        ("content-length: -4", "abcd", "400"),
        ("content-length: 0x4", "abcd", "400"),
        ("content-length: ", "abcd", "400"),
        ("content-length: 99999999999999999999", "abcd", "400"),
        ("x-a: b\r\n content-length: 4", "", "400"),
        ("x-a: b\rcontent-length: 4", "", "400"),
        ("x-a: b\0", "", "400"),
        ("x a: b", "", "400"),
        (" x-a: b", "", "400"),
        (": b", "", "400"),
    ] {
        let answer = send(&running, &format!("{}{SMUGGLED}", post(fields, body))).await;

        assert!(answer.starts_with(&format!("HTTP/1.1 {wanted} ")), "{fields:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{fields:?}: {answer}");
    }
    running.end().await;
}

#[tokio::test]
async fn chunks_are_read_as_they_must_be_written_or_not_at_all() {
    let running = start(settings()).await;
    for body in [
        "0x5\r\nabcde\r\n0\r\n\r\n",
        "+5\r\nabcde\r\n0\r\n\r\n",
        "-5\r\nabcde\r\n0\r\n\r\n",
        "G\r\nabcde\r\n0\r\n\r\n",
        "\r\nabcde\r\n0\r\n\r\n",
        "5\nabcde\n0\n\n",
        "5;a\nb\r\nabcde\r\n0\r\n\r\n",
        "5\r\nabcdeX\r\n0\r\n\r\n",
        "10000000000000005\r\nabcde\r\n0\r\n\r\n",
    ] {
        let answer = send(&running, &format!("{}{SMUGGLED}", post("transfer-encoding: chunked", body))).await;

        assert!(answer.starts_with("HTTP/1.1 400 "), "{body:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{body:?}: {answer}");
    }
    running.end().await;
}

#[tokio::test]
async fn extensions_and_trailers_of_chunks_are_bounded() {
    let running = start(settings()).await;
    let extension = format!("5;{}\r\nabcde\r\n0\r\n\r\n", "x".repeat(40 * 1024));
    let trailers = format!("0\r\n{}\r\n", "x-a: b\r\n".repeat(10_000));
    for body in [extension, trailers] {
        let answer = send(&running, &post("transfer-encoding: chunked", &body)).await;

        assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    running.end().await;
}

#[tokio::test]
async fn http_1_0_has_no_chunks() {
    let running = start(settings()).await;

    let request = "POST /body HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = send(&running, request).await;

    assert!(answer.starts_with("HTTP/1.0 400 ") || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    running.end().await;
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let running = start(settings()).await;
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x-a: b\r\n".repeat(101));
    for (request, wanted) in [
        ("GET / HTTP/1.1 x\r\nhost: localhost\r\n\r\n", "400"),
        ("GET / HTTP/9.1\r\nhost: localhost\r\n\r\n", "400"),
        ("GET /\r\n\r\n", "400"),
        ("G@T / HTTP/1.1\r\nhost: localhost\r\n\r\n", "400"),
        ("GET /\x01 HTTP/1.1\r\nhost: localhost\r\n\r\n", "400"),
        (&many, "431"),
        (&format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(20_000)), "4"),
    ] {
        let answer = send(&running, request).await;

        assert!(answer.starts_with(&format!("HTTP/1.1 {wanted}")), "{:?}: {answer}", request.get(..40));
    }
    running.end().await;
}

#[tokio::test]
async fn requests_behind_each_other_are_answered_in_their_order() {
    let running = start(settings()).await;
    let mut stream = running.connect().await;

    let request = |number| {
        let body = "x".repeat(number);
        format!("POST /body HTTP/1.1\r\nhost: localhost\r\ncontent-length: {number}\r\n\r\n{body}")
    };
    let all: String = (0..200).map(request).collect();
    let (mut reading, mut writing) = stream.split();
    let mut text = String::new();
    let read = async {
        let mut bytes = [0; 4096];
        while !text.contains("body of 199.") {
            let read = reading.read(&mut bytes).await.unwrap();
            assert_ne!(read, 0, "{text}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
    };
    let ((), written) = timeout(PATIENCE, async { tokio::join!(read, writing.write_all(all.as_bytes())) }).await.unwrap();
    written.unwrap();

    let places: Vec<_> = (0..200).map(|number| text.find(&format!("body of {number}.")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
    drop(stream);
    running.end().await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_ends_the_connection() {
    let running = start(settings()).await;
    let mut stream = running.connect().await;

    stream.write_all(b"POST /unread HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10000000000\r\n\r\n").await.unwrap();
    stream.write_all(&[b'x'; 1024]).await.unwrap();

    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 200 "));
    running.end().await;
}
