//! Connections are used again, but never by someone else, and never blindly.

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
