//! Connections are used again, but never by someone else, and never blindly.

use std::time::Duration;

use bytes::Bytes;
use egress::{FetchRequest, Outbound, Waits};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    upstream::{Step, Upstream, answer, ok, wait},
    world::{World, at, get, post, text},
};

#[tokio::test]
async fn calls_of_one_customer_share_connections_and_those_of_another_do_not() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let hosts = [at("a.test", &upstream)];

    for owner in [1, 1, 2, 2, 1] {
        let call = world.call_of(owner, &hosts, &[]);
        assert_eq!(text(call.fetch(get(&hosts[0])).await.unwrap()).await, "yes");
    }

    assert_eq!(upstream.connections(), 2);
    let usage = world.egress.usage();
    assert_eq!((usage.requests, usage.connections_opened, usage.connections_reused, usage.connections_idle), (5, 2, 3, 2));
}

#[tokio::test]
async fn a_connection_that_is_there_gives_no_grant() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let hosts = [at("a.test", &upstream)];
    let call = world.call(&hosts);
    assert_eq!(text(call.fetch(get(&hosts[0])).await.unwrap()).await, "yes");

    assert!(world.call(&[at("b.test", &upstream)]).fetch(get(&hosts[0])).await.is_err());
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_connection_that_the_host_closed_is_replaced() {
    let upstream = Upstream::start(|_, _| vec![ok("yes"), Step::Close]).await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);

    for _ in 0..4 {
        assert_eq!(text(call.fetch(post(&at("a.test", &upstream), &[], "x")).await.unwrap()).await, "yes");
        upstream.wait_for_open(0).await;
    }
    assert_eq!(upstream.seen().len(), 4);
}

#[tokio::test]
async fn a_request_is_sent_again_only_if_that_does_no_harm() {
    // Every second request of a connection is read and then not answered.
    let upstream = Upstream::start(|_, before| if before % 2 == 0 { vec![ok("yes")] } else { vec![wait(20), Step::Close] }).await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let url = at("a.test", &upstream);

    assert_eq!(text(call.fetch(get(&url)).await.unwrap()).await, "yes");
    assert_eq!(text(call.fetch(get(&url)).await.unwrap()).await, "yes", "a GET goes out once more");
    assert_eq!(upstream.seen().len(), 3);

    let error = call.fetch(post(&url, &[], "x")).await.unwrap_err();
    assert!(matches!(error, egress::FetchError::Protocol { .. }), "{error}");
    assert_eq!(upstream.seen().len(), 4, "a POST does not");
}

#[tokio::test]
async fn an_answer_that_says_close_is_believed() {
    let upstream = Upstream::start(|_, _| vec![answer("200 OK", &["connection: close"], b"yes")]).await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);

    for _ in 0..2 {
        assert_eq!(text(call.fetch(get(&at("a.test", &upstream))).await.unwrap()).await, "yes");
    }
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn an_answer_without_a_body_has_none() {
    let upstream = Upstream::start(|seen, _| {
        vec![if seen.line().starts_with("HEAD") {
            Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".to_vec())
        } else if seen.line().contains("/304") {
            Step::Send(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\n\r\n".to_vec())
        } else {
            Step::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())
        }]
    })
    .await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);

    for (method, path) in [("HEAD", "/"), ("GET", "/204"), ("GET", "/304")] {
        let request = egress::FetchRequest { method: method.to_owned(), ..get(&format!("{}{path}", at("a.test", &upstream))) };
        let response = call.fetch(request).await.unwrap();
        assert!(response.body.is_none(), "{method} {path}");
        assert_eq!(text(response).await, "");
    }
    assert_eq!(upstream.connections(), 1);
}

/// Answers as soon as the head is there, reads on, and tells how many bytes came until the connection was closed.
async fn answer_at_once(mut stream: TcpStream) -> u64 {
    let mut received = Vec::new();
    while !received.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.read_buf(&mut received).await.unwrap();
    }
    let mut bytes = received.len() as u64;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        bytes += read as u64;
    }
    bytes
}

const LARGE_BYTES: usize = 48 << 20;

/// Posts a large body, whole or in pieces, and reads the answer's end.
async fn post_large(call: &Outbound, url: &str, is_streamed: bool) {
    let body = Bytes::from(vec![b'x'; LARGE_BYTES]);
    if is_streamed {
        let request = http::Request::post(url).body(http_body_util::Full::new(body)).unwrap();
        let mut answer = call.send(request, Waits::default()).await.unwrap().into_body();
        assert_eq!(answer.next().await, Ok(None));
    } else {
        let request = FetchRequest { method: "POST".to_owned(), url: url.to_owned(), body, ..FetchRequest::default() };
        assert_eq!(text(call.fetch(request).await.unwrap()).await, "");
    }
}

#[tokio::test]
async fn an_answer_before_the_request_was_sent_takes_no_byte_out_of_the_meter() {
    for is_streamed in [false, true] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = tokio::spawn(async move { answer_at_once(listener.accept().await.unwrap().0).await });
        let world = World::configured(&[], |config| {
            config.request_body_bytes_max = LARGE_BYTES;
            config.allow_private = vec![format!("a.test:{port}").parse().unwrap()];
        })
        .await;
        let url = format!("http://a.test:{port}");
        let call = world.call(std::slice::from_ref(&url));

        post_large(&call, &url, is_streamed).await;

        assert_eq!(world.egress.usage().connections_idle, 0, "nobody gets a connection that goes on sending");
        let received = tokio::time::timeout(Duration::from_secs(5), host).await.expect("the connection is closed").unwrap();
        assert!(received < LARGE_BYTES as u64 && received <= call.bytes(), "{received} of {}", call.bytes());
    }
}

#[tokio::test]
async fn a_short_body_is_there_at_once_and_counts_until_somebody_has_it() {
    let upstream = Upstream::start(|_, number| match number {
        0 => vec![ok("yes")],
        _ => vec![Step::Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n".to_vec())],
    })
    .await;
    let world = World::with(&[&upstream]).await;
    let hosts = [at("a.test", &upstream)];
    let call = world.call(&hosts);

    for _ in 0..2 {
        let mut body = call.fetch(get(&hosts[0])).await.unwrap().body;
        let begun = body.at_once().await;

        if let Some(begun) = begun {
            assert_eq!(&begun[..], b"yes");
        } else {
            assert_eq!(body.next().await.unwrap().unwrap(), "yes");
        }
        assert_eq!(world.egress.usage().requests_in_flight, 1, "what is held for a guest has a place");
        assert_eq!(body.next().await.unwrap(), None);
        assert!(body.is_at_end());
        assert_eq!(world.egress.usage().requests_in_flight, 0);
    }
    assert_eq!(upstream.connections(), 1, "the connection is of further use");
}
