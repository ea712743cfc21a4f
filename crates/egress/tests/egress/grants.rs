//! Nothing is reached that was not granted (SEC-11).

use egress::{FetchError, FetchRequest};

use crate::{
    upstream::Upstream,
    world::{World, at, get, post, text},
};

#[tokio::test]
async fn host_scheme_port_and_method_are_granted_together() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let port = upstream.port;
    let call = world.call(&[at("a.test", &upstream)]);

    assert_eq!(text(call.fetch(get(&at("A.test.", &upstream))).await.unwrap()).await, "yes");
    for url in [
        at("b.test", &upstream),
        at("api.a.test", &upstream),
        at("a.test.evil.test", &upstream),
        "http://a.test:1".to_owned(),
        "http://a.test".to_owned(),
        format!("https://a.test:{port}"),
    ] {
        let error = call.fetch(get(&url)).await.unwrap_err();
        assert!(matches!(error, FetchError::NotGranted { .. }), "{url}: {error}");
    }
    assert_eq!(world.names.asked("b.test") + world.names.asked("api.a.test"), 0, "not even the name is asked for");
}

#[tokio::test]
async fn a_wildcard_stands_for_what_is_below() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("*.a.test", &upstream)]);

    assert_eq!(text(call.fetch(get(&at("api.a.test", &upstream))).await.unwrap()).await, "yes");
    assert!(matches!(call.fetch(get(&at("a.test", &upstream))).await, Err(FetchError::NotGranted { .. })));
}

#[tokio::test]
async fn an_error_says_what_to_do() {
    let world = World::with(&[]).await;
    let call = world.call(&[]);

    let error = call.fetch(post("https://API.b.test/path?token=1", &[], "x")).await.unwrap_err().to_string();

    assert_eq!(error, "the tool is not granted POST https://api.b.test: add it to the `hosts` that the tool asks for");
}

#[tokio::test]
async fn addresses_credentials_and_other_schemes_are_refused_before_grants_are_looked_at() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let port = upstream.port;

    for url in [
        format!("http://127.0.0.1:{port}"),
        format!("http://2130706433:{port}"),
        format!("http://0x7f.1:{port}"),
        format!("http://0177.0.0.1:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
        format!("http://[::]:{port}"),
        format!("http://a.test@127.0.0.1:{port}"),
        format!("http://user:pw@a.test:{port}"),
        format!("ftp://a.test:{port}"),
        "file:///etc/passwd".to_owned(),
        "data:,x".to_owned(),
    ] {
        assert!(matches!(call.fetch(get(&url)).await, Err(FetchError::Url { .. })), "{url}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn what_is_sent_is_what_was_asked_for_and_nothing_that_would_change_it() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let headers = [
        ("Host", "other.test"),
        ("Content-Length", "99"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "x-one"),
        ("Accept-Encoding", "zstd"),
        ("X-One", "1"),
        ("Content-Type", "text/plain"),
    ];

    let response = call.fetch(post(&format!("{}/p?q#f", at("a.test", &upstream)), &headers, "hello")).await.unwrap();

    assert_eq!((response.status, response.status_text.as_str(), response.redirected), (200, "OK", false));
    assert_eq!(response.url, format!("{}/p?q", at("a.test", &upstream)));
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.line(), "POST /p?q HTTP/1.1");
    assert_eq!(seen.body, b"hello");
    assert_eq!(seen.header("host"), Some(format!("a.test:{}", upstream.port).as_str()));
    assert_eq!(
        (seen.header("content-length"), seen.header("transfer-encoding"), seen.header("connection")),
        (Some("5"), None, None)
    );
    assert_eq!((seen.header("accept-encoding"), seen.header("x-one")), (Some("gzip, deflate"), Some("1")));
    assert!(seen.header("user-agent").unwrap().starts_with("Toolwright/"));
}

#[tokio::test]
async fn a_request_that_is_none_is_refused() {
    let upstream = Upstream::saying("yes").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let url = at("a.test", &upstream);

    for request in [
        post(&url, &[("x", "a\r\nHost: b")], ""),
        post(&url, &[("x\r\ny", "a")], ""),
        FetchRequest { method: "CONNECT".to_owned(), ..get(&url) },
        FetchRequest { method: "GET /x HTTP/1.1\r\n".to_owned(), ..get(&url) },
        FetchRequest { body: "x".into(), ..get(&url) },
    ] {
        assert!(matches!(call.fetch(request.clone()).await, Err(FetchError::Request { .. })), "{request:?}");
    }
    assert_eq!(upstream.connections(), 0);
}
