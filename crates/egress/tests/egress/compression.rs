//! Compressed answers are read here, and bounded by what they become.

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder};
use egress::{FetchError, FetchRequest};
use tokio::io::AsyncWriteExt;

use crate::{
    upstream::{Upstream, answer, ok},
    world::{World, at, get, read},
};

async fn compressed(encoding: &str, data: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => {
            let mut encoder = GzipEncoder::new(Vec::new());
            encoder.write_all(data).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new());
            encoder.write_all(data).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }
        _ => {
            let mut encoder = BrotliEncoder::new(Vec::new());
            encoder.write_all(data).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }
    }
}

async fn sending(encoding: &'static str, body: Vec<u8>) -> Upstream {
    Upstream::start(move |_, _| vec![answer("200 OK", &[&format!("content-encoding: {encoding}")], &body)]).await
}

#[tokio::test]
async fn what_was_asked_for_is_decompressed() {
    let text = "the same again and again, ".repeat(5000);
    for encoding in ["gzip", "deflate"] {
        let upstream = sending(encoding, compressed(encoding, text.as_bytes()).await).await;
        let world = World::with(&[&upstream]).await;
        let call = world.call(&[at("a.test", &upstream)]);

        for _ in 0..2 {
            let response = call.fetch(get(&at("a.test", &upstream))).await.unwrap();
            assert!(
                !response.headers.iter().any(|(name, _)| name == "content-encoding" || name == "content-length"),
                "{encoding}"
            );
            assert_eq!(read(response.body).await.unwrap(), text.as_bytes(), "{encoding}");
        }
        assert_eq!(upstream.connections(), 1, "{encoding}: the connection is used again");
    }
}

#[tokio::test]
async fn a_bomb_is_bounded_by_what_it_becomes() {
    for encoding in ["gzip", "deflate"] {
        let bomb = compressed(encoding, &vec![0; 20 << 20]).await;
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        let upstream = sending(encoding, bomb).await;
        let world = World::configured(&[&upstream], |config| config.response_body_bytes_max = 1 << 20).await;

        let call = world.call(&[at("a.test", &upstream)]);
        let body = call.fetch(get(&at("a.test", &upstream))).await.unwrap().body;

        assert!(matches!(read(body).await, Err(FetchError::TooLarge { .. })), "{encoding}");
    }
}

#[tokio::test]
async fn what_is_broken_or_was_not_asked_for_is_an_error() {
    for (encoding, body) in [
        ("gzip", b"no gzip at all".to_vec()),
        ("gzip", compressed("gzip", b"hello").await[..12].to_vec()),
        ("zstd", vec![1]),
        ("br", compressed("br", b"hello").await),
        ("gzip, gzip", vec![1]),
    ] {
        let upstream = sending(encoding, body).await;
        let world = World::with(&[&upstream]).await;
        let call = world.call(&[at("a.test", &upstream)]);

        let error = match call.fetch(get(&at("a.test", &upstream))).await {
            Ok(response) => read(response.body).await.unwrap_err(),
            Err(error) => error,
        };

        assert!(matches!(error, FetchError::Protocol { .. }), "{encoding}: {error}");
    }
}

#[tokio::test]
async fn what_is_offered_needs_no_memory_of_the_hosts_choice() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;

    world.call(&[at("a.test", &upstream)]).fetch(get(&at("a.test", &upstream))).await.unwrap();

    assert_eq!(upstream.seen()[0].header("accept-encoding"), Some("gzip, deflate"));
}

#[tokio::test]
async fn a_redirects_body_is_not_decompressed() {
    let page = compressed("gzip", b"moved").await;
    let upstream = Upstream::start(move |seen, _| {
        let fields = ["content-encoding: gzip", "location: /end"];
        vec![if seen.line().contains("/end") { ok("end") } else { answer("302 Found", &fields, &page) }]
    })
    .await;
    let world = World::with(&[&upstream]).await;

    let call = world.call(&[at("a.test", &upstream)]);
    let response = call.fetch(get(&at("a.test", &upstream))).await.unwrap();

    assert_eq!(read(response.body).await.unwrap(), b"end");
    assert_eq!(upstream.connections(), 2, "its connection is closed with it");
}

#[tokio::test]
async fn a_range_is_asked_for_as_it_is() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let request = FetchRequest { headers: vec![("Range".to_owned(), "bytes=0-1".to_owned())], ..get(&at("a.test", &upstream)) };

    world.call(&[at("a.test", &upstream)]).fetch(request).await.unwrap();

    assert_eq!(upstream.seen()[0].header("accept-encoding"), Some("identity"));
}
