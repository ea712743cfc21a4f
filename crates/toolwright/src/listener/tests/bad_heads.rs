//! What is answered before there is a request: nobody but the listener knows of it.

use super::*;

const CUT: &str = "toolwright_http_connections_cut_total{reason=\"bad_head\"} ";

/// No request, and heads that are too large.
fn bad_heads() -> Vec<(Vec<u8>, &'static str)> {
    vec![
        (b"JUNK\r\n\r\n".to_vec(), "400"),
        (b"GET / HTTP/1.1\r\nhost : localhost\r\n\r\n".to_vec(), "400"),
        (format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(70_000)).into_bytes(), "431"),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x-many: 1\r\n".repeat(101)).into_bytes(), "431"),
    ]
}

#[tokio::test]
async fn what_is_no_request_is_answered_counted_and_the_last_of_its_connection() {
    let running = start(settings()).await;

    for (counted, (head, status)) in (1..).zip(bad_heads()) {
        let mut stream = running.connect().await;
        // What follows would be a request of its own.
        let _ = stream.write_all(&[head.as_slice(), REQUEST].concat()).await;
        stream.shutdown().await.unwrap();
        let answer = read_to_end(&mut stream).await;

        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        until(|| running.count(CUT) == counted.to_string()).await;
    }
    until(|| running.count("toolwright_http_connections ") == "0").await;
    running.end().await;
}

#[tokio::test]
async fn a_flood_of_what_is_no_request_takes_the_places_of_its_own_address_alone_and_gives_them_back() {
    let running = start(Http { network_connections_max: 4, ..settings() }).await;
    let mut lingering = Vec::new();
    for (head, status) in bad_heads() {
        let mut stream = running.connect().await;
        stream.write_all(&head).await.unwrap();
        let answer = read_until(&mut stream, "\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        // It has its answer, and neither closes nor is silent.
        lingering.push(tokio::spawn(async move {
            while stream.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        }));
    }

    for _ in 0..20 {
        let mut more = running.connect().await;
        let _ = more.write_all(b"JUNK\r\n\r\n").await;
        assert!(read_to_end(&mut more).await.starts_with("HTTP/1.1 429 "), "whoever lingers has a place");
    }
    assert_eq!(running.count("toolwright_http_connections "), "4");
    for client in lingering {
        client.abort();
    }
    until(|| running.count("toolwright_http_connections ") == "0").await;
    let mut after = running.connect().await;
    after.write_all(REQUEST).await.unwrap();
    read_until(&mut after, "hello").await;
    drop(after);
    running.end().await;
}

async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it comes to that");
}
