//! The accept loop on a real port of loopback, with short time-outs.

use std::time::Instant;

mod bad_heads;
mod frames;
mod smuggling;
mod unread;

use axum::{
    body::Bytes,
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::*;
use crate::configuration::MetricsReaders;

/// No test may wait longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: Stop,
    metrics: Arc<Metrics>,
    /// Lets requests of `/slow` end.
    release: Arc<Notify>,
    served: JoinHandle<()>,
}

pub(super) fn settings() -> Http {
    Http {
        trusted_proxies: Vec::new(),
        listen: "127.0.0.1:0".parse().unwrap(),
        public_url: None,
        metrics: MetricsReaders::Anyone,
        connections_max: 100,
        network_connections_max: 100,
        header_timeout: Duration::from_secs(30),
        body_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(30),
        write_timeout: Duration::from_secs(30),
        head_bytes_max: 16 * 1024,
        streams_max: 8,
    }
}

async fn start(settings: Http) -> Running {
    let release = Arc::new(Notify::new());
    let waiting = Arc::clone(&release);
    let endless = || async { axum::body::Body::from(Bytes::from(vec![b'x'; 64 << 20])) };
    let measure = |body: Bytes| async move { format!("body of {}.", body.len()) };
    let router = Router::new().route("/", get(|| async { "hello" })).route("/large", get(endless)).route("/body", post(measure));
    let router = router.route("/unread", post(|| async { "unread" })).route(
        "/slow",
        get(|| async move {
            waiting.notified().await;
            "at last"
        }),
    );
    let metrics = Arc::new(Metrics::new(telemetry::ProcessFacts { version: "0", started_at_s: 0.0 }));
    let listener = Listener::bind(settings.listen).await.unwrap();
    let address = listener.address();
    let stop = Stop::default();
    let served = tokio::spawn(listener.serve(router, settings, Arc::clone(&metrics), stop.clone()));
    Running { address, stop, metrics, release, served }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn count(&self, name: &str) -> String {
        let text = self.metrics.encode(&telemetry::Readings::default());
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    }

    async fn end(self) {
        self.stop.drain.cancel();
        timeout(PATIENCE, self.served).await.unwrap().unwrap();
    }
}

/// Everything up to the end of the connection, which may be abrupt.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the connection must end");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer that ends in `end`.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = timeout(PATIENCE, stream.read_u8()).await.expect("the answer must come").unwrap();
        text.push(char::from(byte));
    }
    text
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let running = start(settings()).await;
    let mut stream = running.connect().await;

    for _ in 0..3 {
        stream.write_all(REQUEST).await.unwrap();
        assert!(read_until(&mut stream, "hello").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }

    assert_eq!(running.count("toolwright_http_connections "), "1");
    drop(stream);
    running.end().await;
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_understood() {
    let running = start(settings()).await;
    let mut stream = running.connect().await;

    // The preface and an empty SETTINGS frame (RFC 9113, sections 3.4 and 6.5).
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    let mut header = [0; 9];
    timeout(PATIENCE, stream.read_exact(&mut header)).await.unwrap().unwrap();

    assert_eq!(header[3], 4, "the first frame of the server is its SETTINGS");
    drop(stream);
    running.end().await;
}

#[tokio::test]
async fn a_head_that_drips_is_cut() {
    let running = start(Http { header_timeout: Duration::from_millis(300), ..settings() }).await;

    for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nx-slow: "] {
        let mut stream = running.connect().await;
        stream.write_all(beginning.as_bytes()).await.unwrap();

        let began = Instant::now();
        let (mut reading, mut writing) = stream.split();
        let mut answer = Vec::new();
        // Bytes that fit what was begun: a wrong one would be answered at once.
        let drip = async {
            while beginning.ends_with(": ") && writing.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let cut = timeout(PATIENCE, async { tokio::join!(reading.read_to_end(&mut answer), drip) }).await;

        assert!(cut.is_ok(), "{beginning:?} was not cut");
        assert!(began.elapsed() < Duration::from_secs(5), "{beginning:?} took {:?}", began.elapsed());
    }
    running.end().await;
}

#[tokio::test]
async fn the_second_head_of_a_connection_is_bounded_as_well() {
    let running = start(Http { header_timeout: Duration::from_millis(300), ..settings() }).await;
    let mut stream = running.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    read_until(&mut stream, "hello").await;
    // Longer than the bound of a head: between two requests the idle bound counts.
    sleep(Duration::from_millis(600)).await;

    stream.write_all(REQUEST).await.unwrap();
    read_until(&mut stream, "hello").await;
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();

    assert_eq!(read_to_end(&mut stream).await, "");
    running.end().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let running = start(Http { idle_timeout: Duration::from_millis(300), ..settings() }).await;
    let mut stream = running.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    read_until(&mut stream, "hello").await;

    assert_eq!(read_to_end(&mut stream).await, "");
    running.end().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut() {
    let running = start(Http { write_timeout: Duration::from_millis(300), ..settings() }).await;
    let mut stream = running.connect().await;

    stream.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    timeout(PATIENCE, stream.peek(&mut [0])).await.expect("the answer must begin").unwrap();
    let given_up = async {
        while running.count("toolwright_http_connections ") != "0" {
            sleep(Duration::from_millis(20)).await;
        }
    };

    timeout(PATIENCE, given_up).await.expect("the connection must be given up");
    running.end().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let running = start(settings()).await;
    let mut stream = running.connect().await;

    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-large: {}\r\n\r\n", "x".repeat(20 * 1024));
    stream.write_all(head.as_bytes()).await.unwrap();

    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 431 "));
    running.end().await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_a_place_that_is_left_is_given_again() {
    let running = start(Http { connections_max: 2, ..settings() }).await;
    let mut first = running.connect().await;
    let mut second = running.connect().await;
    for stream in [&mut first, &mut second] {
        stream.write_all(REQUEST).await.unwrap();
        read_until(stream, "hello").await;
    }

    let mut third = running.connect().await;
    third.write_all(REQUEST).await.unwrap();
    let refusal = read_to_end(&mut third).await;
    drop(first);
    // The place is free a moment after its client has gone.
    let served = async {
        loop {
            let mut fourth = running.connect().await;
            fourth.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
            if read_to_end(&mut fourth).await.ends_with("hello") {
                break;
            }
        }
    };
    timeout(PATIENCE, served).await.expect("the place must be given again");
    let (head, body) = refusal.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();

    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains("retry-after: 1"), "{head}");
    assert_eq!(body["error_code"], "too_many_connections");
    assert_ne!(running.count("toolwright_http_connections_refused_total "), "0");
    running.end().await;
}

#[tokio::test]
async fn one_address_does_not_take_all_places() {
    let running = start(Http { network_connections_max: 1, ..settings() }).await;
    let mut first = running.connect().await;
    first.write_all(REQUEST).await.unwrap();
    read_until(&mut first, "hello").await;

    let mut second = running.connect().await;
    second.write_all(REQUEST).await.unwrap();
    let refusal = read_to_end(&mut second).await;

    assert!(refusal.starts_with("HTTP/1.1 429 ") && refusal.contains("retry-after: 5\r\n"), "{refusal}");
    assert!(refusal.contains("too many connections from your network are open"), "{refusal}");
    drop(first);
    running.end().await;
}

#[tokio::test]
async fn a_stop_lets_a_running_request_end_and_takes_no_new_one() {
    let running = start(settings()).await;
    let mut busy = running.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut idle = running.connect().await;
    idle.write_all(REQUEST).await.unwrap();
    read_until(&mut idle, "hello").await;
    let silent = running.connect().await;
    sleep(Duration::from_millis(100)).await;

    running.stop.drain.cancel();

    assert_eq!(read_to_end(&mut idle).await, "", "an idle connection ends at once");
    assert!(TcpStream::connect(running.address).await.is_err(), "the port is free");
    assert!(!running.served.is_finished());
    running.release.notify_one();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.ends_with("at last"), "{answer}");
    running.end().await;
    drop(silent);
}

#[tokio::test]
async fn a_cut_ends_a_request_that_does_not_end() {
    let running = start(settings()).await;
    let mut busy = running.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(100)).await;

    running.stop.drain.cancel();
    running.stop.cut.cancel();

    assert_eq!(read_to_end(&mut busy).await, "");
    running.end().await;
}
