//! Clients that write what nobody reads: they have their answer all the same.

use super::*;

/// More than the sockets between hold.
const MANY: usize = 5_000_000;

/// Writes all of it, and reads then.
async fn send(running: &Running, bytes: &[u8]) -> String {
    let mut stream = running.connect().await;
    timeout(PATIENCE, stream.write_all(bytes)).await.expect("it is read").expect("nothing is cut while it is written");
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection ends").expect("and is not reset");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_taken_off_the_line() {
    let running = start(settings()).await;
    let body = vec![b'x'; MANY];
    let declared = format!("POST /unread HTTP/1.1\r\nhost: localhost\r\ncontent-length: {MANY}\r\n\r\n");
    let chunked = format!("POST /unread HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{MANY:x}\r\n");
    let twice = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_owned();

    for (head, wanted) in [(declared, "unread"), (chunked, "unread"), (twice, "hello")] {
        let answer = send(&running, &[head.as_bytes(), &body].concat()).await;

        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(wanted), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    running.end().await;
}

#[tokio::test]
async fn a_head_that_nobody_reads_is_taken_off_the_line() {
    let running = start(settings()).await;
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x-many: of them\r\n".repeat(MANY / 17));

    let answer = send(&running, head.as_bytes()).await;

    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    running.end().await;
}

#[tokio::test]
async fn a_client_that_never_stops_is_left() {
    let running = start(settings()).await;
    let mut stream = running.connect().await;

    stream
        .write_all(b"POST /unread HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n")
        .await
        .unwrap();
    let mut sent = 0_u64;
    let write = async {
        while stream.write_all(&[b'x'; 8_192]).await.is_ok() {
            sent += 8_192;
        }
    };
    timeout(PATIENCE, write).await.expect("it is cut");

    assert!((16 << 20..96 << 20).contains(&sent), "{sent}");
    running.end().await;
}

#[tokio::test]
async fn whoever_has_said_all_is_not_waited_for() {
    let running = start(settings()).await;
    let mut stream = running.connect().await;

    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    read_until(&mut stream, "hello").await;
    let began = Instant::now();
    while running.count("toolwright_http_connections ") != "0" {
        assert!(began.elapsed() < Duration::from_secs(3), "the connection lingers");
        sleep(Duration::from_millis(20)).await;
    }

    drop(stream);
    running.end().await;
}
