//! One request with a body in pieces, as `wasi:http` sends them.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use egress::{FetchError, Phase, Waits};
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;

use crate::{
    upstream::{Upstream, chunk, chunked, redirect, wait},
    world::{World, at, bounds},
};

fn request<B>(method: &str, url: &str, body: B) -> Request<B> {
    Request::builder().method(method).uri(url).body(body).unwrap()
}

fn pieces(number: usize, piece: Bytes) -> impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static {
    StreamBody::new(stream::iter((0..number).map(move |_| Ok(Frame::data(piece.clone())))))
}

#[tokio::test]
async fn a_body_goes_and_comes_in_pieces() {
    let upstream = Upstream::start(|_, _| vec![chunked("x-a: b\r\n"), chunk(b"one"), wait(20), chunk(b"two"), chunk(b"")]).await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);

    let sent = request("POST", &format!("{}/p?q", at("a.test", &upstream)), pieces(3, Bytes::from_static(b"part")));
    let response = call.send(sent, Waits::default()).await.unwrap();

    assert_eq!((response.status().as_u16(), response.headers()["x-a"].as_bytes()), (200, &b"b"[..]));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "onetwo");
    let seen = upstream.seen().remove(0);
    assert_eq!((seen.line(), seen.body.as_slice()), ("POST /p?q HTTP/1.1", &b"partpartpart"[..]));
    assert_eq!(seen.header("transfer-encoding"), Some("chunked"));
}

#[tokio::test]
async fn a_body_of_known_length_says_its_length() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);

    call.send(request("PUT", &at("a.test", &upstream), Full::new(Bytes::from_static(b"whole"))), Waits::default()).await.unwrap();
    call.send(request("GET", &at("a.test", &upstream), Empty::<Bytes>::new()), Waits::default()).await.unwrap();

    let seen = upstream.seen();
    assert_eq!((seen[0].header("content-length"), seen[0].body.as_slice()), (Some("5"), &b"whole"[..]));
    assert_eq!((seen[1].header("content-length"), seen[1].header("transfer-encoding")), (None, None));
}

#[tokio::test]
async fn it_goes_on_in_a_task_of_its_own() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let sent = request("GET", &at("a.test", &upstream), Empty::<Bytes>::new());

    let task = tokio::spawn(async move {
        let body = call.send(sent, Waits::default()).await?.into_body();
        body.boxed_unsync().collect().await
    });

    assert_eq!(task.await.unwrap().unwrap().to_bytes(), "yes");
}

#[tokio::test]
async fn the_same_rules_hold() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream), at("c.test", &upstream)]);
    let port = upstream.port;

    for (url, is_expected) in [
        (at("b.test", &upstream), (|error| matches!(error, FetchError::NotGranted { .. })) as fn(&FetchError) -> bool),
        (at("c.test", &upstream), |error| matches!(error, FetchError::Address { .. })),
        (format!("http://127.0.0.1:{port}/"), |error| matches!(error, FetchError::Url { .. })),
        ("/relative".to_owned(), |error| matches!(error, FetchError::Url { .. })),
    ] {
        let error = call.send(request("GET", &url, Empty::<Bytes>::new()), Waits::default()).await.unwrap_err();
        assert!(is_expected(&error), "{url}: {error}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn redirects_are_handed_out() {
    let upstream = Upstream::start(|_, _| vec![redirect(302, "/end")]).await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);

    let response = call.send(request("GET", &at("a.test", &upstream), Empty::<Bytes>::new()), Waits::default()).await.unwrap();

    assert_eq!((response.status().as_u16(), response.headers()["location"].as_bytes()), (302, &b"/end"[..]));
}

#[tokio::test]
async fn secrets_go_into_headers_and_are_masked_in_answers() {
    let upstream = Upstream::saying("you sent s3cret-value").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call_of(1, &[at("a.test", &upstream)], &[("KEY", "s3cret-value", "a.test")]);
    let mut sent = request("GET", &at("a.test", &upstream), Empty::<Bytes>::new());
    sent.headers_mut().insert("x-key", call.secret(&"KEY".parse().unwrap()).unwrap().parse().unwrap());

    let response = call.send(sent, Waits::default()).await.unwrap();

    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "you sent ***");
    assert_eq!(upstream.seen()[0].header("x-key"), Some("s3cret-value"));
}

#[tokio::test]
async fn a_body_in_pieces_is_bounded_by_the_tier() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call_within(&[at("a.test", &upstream)], bounds(100_000, 20_000));

    let sent = request("POST", &at("a.test", &upstream), pieces(1_000_000, Bytes::from_static(&[b'x'; 1000])));

    assert_eq!(call.send(sent, Waits::default()).await.unwrap_err(), FetchError::EgressBytes { max: 100_000 });
    assert!(call.bytes() < 100_000 + 1_000_000);
}

#[tokio::test]
async fn a_body_that_fails_fails_the_request() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let body = StreamBody::new(stream::iter([Ok(Frame::data(Bytes::from_static(b"x"))), Err(std::io::Error::other("gone"))]));

    let error = call.send(request("POST", &at("a.test", &upstream), body), Waits::default()).await.unwrap_err();

    assert!(error.to_string().contains("the body of the request failed"), "{error}");
    upstream.wait_for_open(0).await;
}

#[tokio::test]
async fn shorter_waits_are_kept() {
    let upstream = Upstream::start(|seen, _| {
        if seen.line().contains("/body") { vec![chunked(""), chunk(b"x"), wait(5000)] } else { vec![wait(5000)] }
    })
    .await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let short = Some(Duration::from_millis(50));
    let get = |path: &str| request("GET", &format!("{}{path}", at("a.test", &upstream)), Empty::<Bytes>::new());

    world.names.fall_silent();
    let error = call.send(get("/"), Waits { connection: short, ..Waits::default() }).await.unwrap_err();
    assert!(matches!(error, FetchError::TimeOut { phase: Phase::Connection, limit_ms: 50, .. }), "{error}");
    world.names.speak();
    let error = call.send(get("/"), Waits { answer: short, ..Waits::default() }).await.unwrap_err();
    assert!(matches!(error, FetchError::TimeOut { phase: Phase::Answer, limit_ms: 50, .. }), "{error}");
    let response = call.send(get("/body"), Waits { piece: short, ..Waits::default() }).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(matches!(error, FetchError::TimeOut { phase: Phase::Piece, limit_ms: 50, .. }), "{error}");
}
