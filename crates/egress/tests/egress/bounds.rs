//! However much a host sends, and however slowly, it ends.

use std::time::{Duration, Instant};

use egress::{ErrorCategory, FetchError, Phase};

use crate::{
    upstream::{Step, Upstream, answer, chunk, chunked, wait},
    world::{World, at, bounds, get, post, read},
};

async fn fails(upstream: &Upstream) -> FetchError {
    fails_after(upstream).await.0
}

/// How it fails, and after how many bytes.
async fn fails_after(upstream: &Upstream) -> (FetchError, u64) {
    let world = World::with(&[upstream]).await;
    let call = world.call(&[at("a.test", upstream)]);
    let error = match call.fetch(get(&at("a.test", upstream))).await {
        Ok(response) => read(response.body).await.unwrap_err(),
        Err(error) => error,
    };
    (error, call.bytes())
}

#[tokio::test]
async fn endless_headers_end() {
    let long = Upstream::start(|_, _| {
        vec![Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), Step::Endless(b"a: bbbbbbbbbbbbbbbb\r\n".repeat(100))]
    })
    .await;
    let one = Upstream::start(|_, _| vec![Step::Send(b"HTTP/1.1 200 OK\r\na: ".to_vec()), Step::Endless(vec![b'a'; 4096])]).await;
    let many = Upstream::start(|_, _| vec![answer("200 OK", &["a: b"; 200], b"")]).await;

    for upstream in [long, one, many] {
        let (error, bytes) = fails_after(&upstream).await;
        assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
        assert!(bytes < 150_000, "{bytes}");
        upstream.wait_for_open(0).await;
    }
}

#[tokio::test]
async fn endless_preliminary_answers_use_up_the_bytes() {
    let upstream = Upstream::start(|_, _| vec![Step::Endless(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(50))]).await;
    let world = World::with(&[&upstream]).await;

    let call = world.call_within(&[at("a.test", &upstream)], bounds(100_000, 20_000));
    let error = call.fetch(get(&at("a.test", &upstream))).await.unwrap_err();

    assert_eq!(error, FetchError::EgressBytes { max: 100_000 });
}

#[tokio::test]
async fn a_head_that_does_not_come_times_out() {
    let upstream = Upstream::start(|_, _| vec![Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), wait(10_000)]).await;
    let world = World::configured(&[&upstream], |config| config.first_byte_ms_max = 200).await;
    let started = Instant::now();

    let call = world.call(&[at("a.test", &upstream)]);
    let error = call.fetch(get(&at("a.test", &upstream))).await.unwrap_err();

    assert!(matches!(error, FetchError::TimeOut { phase: Phase::Answer, limit_ms: 200, .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
    upstream.wait_for_open(0).await;
}

#[tokio::test]
async fn a_piece_that_does_not_come_times_out() {
    let upstream = Upstream::start(|_, _| vec![chunked(""), chunk(b"first"), wait(10_000)]).await;
    let world = World::configured(&[&upstream], |config| config.idle_ms_max = 200).await;

    let call = world.call(&[at("a.test", &upstream)]);
    let mut body = call.fetch(get(&at("a.test", &upstream))).await.unwrap().body;

    assert_eq!(body.next().await.unwrap().unwrap(), "first");
    let error = body.next().await.unwrap_err();
    assert!(matches!(error, FetchError::TimeOut { phase: Phase::Piece, limit_ms: 200, .. }), "{error}");
    assert_eq!(body.next().await, Ok(None), "after an error there is nothing");
    upstream.wait_for_open(0).await;
}

#[tokio::test]
async fn a_body_that_trickles_ends_with_the_call() {
    let upstream =
        Upstream::start(|_, _| std::iter::once(chunked("")).chain((0..1000).flat_map(|_| [chunk(b"x"), wait(20)])).collect())
            .await;
    let world = World::with(&[&upstream]).await;

    let call = world.call_within(&[at("a.test", &upstream)], bounds(1 << 20, 300));
    let body = call.fetch(get(&at("a.test", &upstream))).await.unwrap().body;

    assert_eq!(read(body).await, Err(FetchError::Deadline));
    upstream.wait_for_open(0).await;
}

#[tokio::test]
async fn an_endless_body_uses_up_the_bytes() {
    let upstream = Upstream::start(|_, _| {
        vec![chunked(""), Step::Endless(b"1000\r\n".iter().copied().chain([b'x'; 4096]).chain(*b"\r\n").collect())]
    })
    .await;
    let world = World::with(&[&upstream]).await;

    let call = world.call_within(&[at("a.test", &upstream)], bounds(200_000, 20_000));
    let body = call.fetch(get(&at("a.test", &upstream))).await.unwrap().body;

    assert_eq!(read(body).await, Err(FetchError::EgressBytes { max: 200_000 }));
    assert!(call.bytes() < 200_000 + 128 * 1024, "{}", call.bytes());
    upstream.wait_for_open(0).await;
    assert!(
        matches!(call.fetch(get(&at("a.test", &upstream))).await, Err(FetchError::EgressBytes { .. })),
        "nor does another request go"
    );
}

#[tokio::test]
async fn a_body_is_bounded_by_the_node() {
    let upstream = Upstream::start(|_, _| vec![answer("200 OK", &[], &[b'x'; 100_000])]).await;
    let world = World::configured(&[&upstream], |config| config.response_body_bytes_max = 50_000).await;

    let call = world.call(&[at("a.test", &upstream)]);
    let body = call.fetch(get(&at("a.test", &upstream))).await.unwrap().body;

    assert!(matches!(read(body).await, Err(FetchError::TooLarge { max: 50_000, .. })));
}

#[tokio::test]
async fn what_is_sent_is_bounded_by_the_node_and_by_the_tier() {
    let upstream = Upstream::saying("yes").await;
    let world = World::configured(&[&upstream], |config| config.request_body_bytes_max = 1000).await;
    let hosts = [at("a.test", &upstream)];

    let error = world.call(&hosts).fetch(post(&hosts[0], &[], &"x".repeat(1001))).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { max: 1000, .. }), "{error}");
    let error = world.call_within(&hosts, bounds(500, 20_000)).fetch(post(&hosts[0], &[], &"x".repeat(600))).await.unwrap_err();
    assert_eq!(error, FetchError::EgressBytes { max: 500 });
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn bytes_are_counted_both_ways_with_heads() {
    let upstream = Upstream::start(|_, _| vec![chunked("x-a: b\r\n"), chunk(b"hello"), chunk(b"")]).await;
    let world = World::with(&[&upstream]).await;

    let call = world.call(&[at("a.test", &upstream)]);
    for _ in 0..2 {
        let response = call.fetch(post(&at("a.test", &upstream), &[], "content")).await.unwrap();
        assert_eq!(read(response.body).await.unwrap(), b"hello");
    }

    let sent: usize = upstream.seen().iter().map(|seen| seen.head.len() + seen.body.len()).sum();
    let received =
        2 * ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-a: b\r\n\r\n".len() + "5\r\nhello\r\n0\r\n\r\n".len());
    assert_eq!(call.bytes(), (sent + received) as u64);
    drop(call);
    let usage = world.egress.usage();
    assert_eq!((usage.bytes_sent, usage.bytes_received), (sent as u64, received as u64));
}

#[tokio::test]
async fn an_answer_that_is_shorter_than_it_says_is_an_error() {
    let upstream =
        Upstream::start(|_, _| vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello".to_vec()), Step::Close])
            .await;
    let error = fails(&upstream).await;
    assert!(matches!(error, FetchError::Protocol { .. }) && error.to_string().contains("too early"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_longer_than_it_says_is_cut_and_its_connection_not_used_again() {
    let upstream = Upstream::start(|_, _| {
        vec![Step::Send(
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil".to_vec(),
        )]
    })
    .await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);

    for _ in 0..3 {
        let response = call.fetch(get(&at("a.test", &upstream))).await.unwrap();
        assert_eq!(read(response.body).await.unwrap(), b"hello");
    }
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn what_is_no_http_is_an_error() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na\0b: c\r\n\r\n",
        b"",
    ] {
        let upstream = Upstream::start(move |_, _| vec![Step::Send(bytes.to_vec()), Step::Close]).await;
        let error = fails(&upstream).await;
        assert!(matches!(error, FetchError::Protocol { .. }), "{}: {error}", String::from_utf8_lossy(bytes));
        assert_eq!(error.category(), ErrorCategory::Protocol);
    }
}

#[tokio::test]
async fn open_answers_of_a_call_are_bounded() {
    let upstream = Upstream::start(|_, _| vec![chunked(""), chunk(b"x"), wait(10_000)]).await;
    let world = World::configured(&[&upstream], |config| config.answers_per_call_max = 3).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(call.fetch(get(&at("a.test", &upstream))).await.unwrap());
    }

    let error = call.fetch(get(&at("a.test", &upstream))).await.unwrap_err();
    assert!(error.to_string().contains("3 answers are open"), "{error}");
    assert_eq!(world.egress.usage().requests_in_flight, 3);
    open.pop();

    assert!(call.fetch(get(&at("a.test", &upstream))).await.is_ok());
}

#[tokio::test]
async fn requests_of_a_call_wait_for_their_turn() {
    let upstream = Upstream::start(|_, _| vec![wait(50), answer("204 No Content", &[], b"")]).await;
    let world = World::configured(&[&upstream], |config| config.requests_per_call_max = 2).await;
    let call = world.call(&[at("a.test", &upstream)]);

    let url = at("a.test", &upstream);
    let answers = futures_util::future::join_all((0..8).map(|_| call.fetch(get(&url)))).await;

    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((upstream.seen().len(), upstream.connections()), (8, 2));
}

#[tokio::test]
async fn with_the_call_everything_in_flight_ends() {
    let upstream =
        Upstream::start(|_, before| if before == 0 { vec![chunked(""), chunk(b"x"), wait(10_000)] } else { vec![wait(10_000)] })
            .await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let url = at("a.test", &upstream);

    let mut body = call.fetch(get(&url)).await.unwrap().body;
    body.next().await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(100), call.fetch(get(&url))).await;
    assert!(waiting.is_err());
    let reading = tokio::spawn(async move { body.next().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(call);

    assert_eq!(reading.await.unwrap(), Err(FetchError::Ended));
    upstream.wait_for_open(0).await;
    assert_eq!(world.egress.usage().requests_in_flight, 0);
}

#[tokio::test]
async fn requests_of_a_customer_wait_for_a_place() {
    let upstream = Upstream::start(|_, _| vec![chunked(""), chunk(b"x"), wait(10_000)]).await;
    let world = World::configured(&[&upstream], |config| config.requests_per_owner_max = 1).await;
    let hosts = [at("a.test", &upstream)];
    let call = world.call(&hosts);
    let first = call.fetch(get(&hosts[0])).await.unwrap();

    let waiting = world.call_within(&hosts, bounds(1 << 20, 100));
    assert_eq!(waiting.fetch(get(&hosts[0])).await.unwrap_err(), FetchError::Deadline);
    let other = world.call_of(2, &hosts, &[]);
    assert!(other.fetch(get(&hosts[0])).await.is_ok(), "another customer's places are its own");
    drop(first);

    assert!(call.fetch(get(&hosts[0])).await.is_ok());
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_taken_in() {
    let upstream = Upstream::start(|_, _| {
        vec![chunked(""), Step::Endless(b"1000\r\n".iter().copied().chain([b'x'; 4096]).chain(*b"\r\n").collect())]
    })
    .await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);

    let response = call.fetch(get(&at("a.test", &upstream))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;

    assert!(call.bytes() < 512 * 1024, "{}", call.bytes());
    drop(response);
    upstream.wait_for_open(0).await;
}

#[tokio::test]
async fn what_is_there_already_ends_with_the_call_as_well() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let (ended, late) =
        (world.call(&[at("a.test", &upstream)]), world.call_within(&[at("a.test", &upstream)], bounds(1 << 20, 300)));
    let mut one = ended.fetch(get(&at("a.test", &upstream))).await.unwrap().body;
    let mut two = late.fetch(get(&at("a.test", &upstream))).await.unwrap().body;

    drop(ended);
    tokio::time::sleep(Duration::from_millis(350)).await;

    assert_eq!(one.next().await, Err(FetchError::Ended));
    assert_eq!(two.next().await, Err(FetchError::Deadline));
}

#[tokio::test]
async fn what_is_between_the_host_and_this_node_is_not_shown() {
    let upstream = Upstream::start(|_, _| {
        vec![answer(
            "200 OK",
            &["keep-alive: timeout=5", "proxy-authenticate: Basic", "connection: x-a", "x-a: 1", "x-b: 2"],
            b"",
        )]
    })
    .await;
    let world = World::with(&[&upstream]).await;

    let call = world.call(&[at("a.test", &upstream)]);
    let response = call.fetch(get(&at("a.test", &upstream))).await.unwrap();

    let names: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-length", "x-b"]);
}
