//! Redirects are followed here alone, and each hop is a request like the first.

use egress::{FetchError, FetchRequest, Redirect};

use crate::{
    upstream::{Upstream, ok, redirect},
    world::{World, at, get, post, text},
};

/// Leads every request to `location`, but for those to `/end`.
async fn leading(status: u16, location: &'static str) -> Upstream {
    Upstream::start(move |seen, _| vec![if seen.line().contains(" /end") { ok("end") } else { redirect(status, location) }]).await
}

#[tokio::test]
async fn a_redirect_is_followed_and_told() {
    let upstream = leading(302, "/end#part").await;
    let world = World::with(&[&upstream]).await;

    let call = world.call(&[at("a.test", &upstream)]);
    let response = call.fetch(get(&at("a.test", &upstream))).await.unwrap();

    assert_eq!((response.url.clone(), response.redirected), (format!("{}/end", at("a.test", &upstream)), true));
    assert_eq!(text(response).await, "end");
    assert_eq!(upstream.connections(), 1, "the redirect's connection is used again");
}

#[tokio::test]
async fn the_methods_change_as_on_the_web() {
    for (status, method, expected) in [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (301, "PUT", "PUT"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "DELETE", "DELETE"),
    ] {
        let upstream = leading(status, "/end").await;
        let world = World::with(&[&upstream]).await;
        let body = if method == "HEAD" { "" } else { "content" };
        let request =
            FetchRequest { method: method.to_owned(), ..post(&at("a.test", &upstream), &[("content-type", "text/x")], body) };

        world.call(&[at("a.test", &upstream)]).fetch(request).await.unwrap();

        let last = upstream.seen().remove(1);
        assert_eq!(last.line(), format!("{expected} /end HTTP/1.1"), "{status} {method}");
        let keeps = expected == method && method != "HEAD";
        assert_eq!(last.body, if keeps { &b"content"[..] } else { b"" }, "{status} {method}");
        assert_eq!(last.header("content-type").is_some(), expected == method, "{status} {method}");
    }
}

#[tokio::test]
async fn a_hop_that_is_not_granted_is_not_made() {
    let inside = Upstream::saying("inside").await;
    let port = inside.port;
    let upstream = Upstream::start(move |seen, _| {
        let path = seen.line().split(' ').nth(1).unwrap().strip_prefix('/').unwrap().to_owned();
        vec![redirect(302, &path.replace("PORT", &port.to_string()))]
    })
    .await;
    let world = World::with(&[&upstream, &inside]).await;
    world.names.set("private.test", &["127.0.0.1"]);
    let call = world.call(&[at("a.test", &upstream), at("private.test", &inside)]);

    for location in [
        "http://b.test:PORT/",
        "//b.test:PORT",
        "http://private.test:PORT/",
        "http://127.0.0.1:PORT/",
        "http://[::1]:PORT/",
        "file:///etc/passwd",
        "http://u:p@a.test/",
    ] {
        let error = call.fetch(get(&format!("{}/{location}", at("a.test", &upstream)))).await.unwrap_err();
        let is_expected = match location {
            "http://b.test:PORT/" | "//b.test:PORT" => matches!(error, FetchError::NotGranted { .. }),
            "http://private.test:PORT/" => matches!(error, FetchError::Address { .. }),
            _ => matches!(error, FetchError::Redirect { .. }),
        };
        assert!(is_expected, "{location}: {error}");
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_not_followed() {
    let (acceptor, ca) = crate::tls::authority("a.test");
    let upstream = Upstream::start_tls(acceptor, |seen, _| {
        let host = seen.header("host").unwrap();
        vec![redirect(302, &format!("http://{host}/end"))]
    })
    .await;
    let world = World::configured(&[&upstream], |config| config.extra_ca_pem = ca).await;
    let https = format!("https://a.test:{}", upstream.port);

    let error = world.call(&[https.clone(), at("a.test", &upstream)]).fetch(get(&https)).await.unwrap_err();

    assert!(error.to_string().contains("https to http"), "{error}");
}

#[tokio::test]
async fn a_loop_ends() {
    let upstream = leading(302, "/again").await;
    let world = World::with(&[&upstream]).await;

    let error = world.call(&[at("a.test", &upstream)]).fetch(get(&at("a.test", &upstream))).await.unwrap_err();

    assert!(matches!(error, FetchError::Redirect { .. }) && error.to_string().contains("20"), "{error}");
    assert_eq!(upstream.seen().len(), 21);
}

#[tokio::test]
async fn a_redirect_can_be_an_error_or_be_handed_out() {
    let upstream = leading(307, "/end").await;
    let world = World::with(&[&upstream]).await;
    let call = world.call(&[at("a.test", &upstream)]);
    let with = |redirect| FetchRequest { redirect, ..get(&at("a.test", &upstream)) };

    assert!(matches!(call.fetch(with(Redirect::Error)).await, Err(FetchError::Redirect { .. })));
    let response = call.fetch(with(Redirect::Manual)).await.unwrap();

    assert_eq!((response.status, response.redirected), (307, false));
    assert!(response.headers.contains(&("location".to_owned(), "/end".to_owned())));
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn credentials_stay_with_the_origin_that_they_are_for() {
    let other = Upstream::saying("other").await;
    let location: &'static str = Box::leak(format!("{}/end", at("b.test", &other)).into_boxed_str());
    let upstream = leading(307, location).await;
    let world = World::with(&[&upstream, &other]).await;
    let call = world.call_of(1, &[at("a.test", &upstream), at("b.test", &other)], &[("KEY", "s3cret-value", "a.test")]);
    let placeholder = call.secret(&"KEY".parse().unwrap()).unwrap();
    let headers = [("Authorization", "Bearer mine"), ("Cookie", "c=1"), ("X-Key", &placeholder), ("X-Other", "kept")];

    call.fetch(post(&at("a.test", &upstream), &headers, "body")).await.unwrap();

    let (first, last) = (upstream.seen().remove(0), other.seen().remove(0));
    for (name, value) in [("authorization", "Bearer mine"), ("cookie", "c=1"), ("x-key", "s3cret-value"), ("x-other", "kept")] {
        assert_eq!(first.header(name), Some(value));
        assert_eq!(last.header(name), (name == "x-other").then_some("kept"), "{name}");
    }
    assert_eq!(last.body, b"body");
}

#[tokio::test]
async fn credentials_go_along_within_an_origin() {
    let upstream = leading(302, "/end").await;
    let world = World::with(&[&upstream]).await;
    let request =
        FetchRequest { headers: vec![("Authorization".to_owned(), "Bearer mine".to_owned())], ..get(&at("a.test", &upstream)) };

    world.call(&[at("a.test", &upstream)]).fetch(request).await.unwrap();

    assert_eq!(upstream.seen()[1].header("authorization"), Some("Bearer mine"));
}

#[tokio::test]
async fn a_body_with_a_secret_is_not_sent_on_to_another_origin() {
    let other = Upstream::saying("other").await;
    let location: &'static str = Box::leak(at("b.test", &other).into_boxed_str());
    let upstream = leading(307, location).await;
    let world = World::with(&[&upstream, &other]).await;
    let call = world.call_of(1, &[at("a.test", &upstream), at("b.test", &other)], &[("KEY", "s3cret-value", "a.test")]);
    let placeholder = call.secret(&"KEY".parse().unwrap()).unwrap();

    let error = call
        .fetch(post(&at("a.test", &upstream), &[("content-type", "application/json")], &format!("\"{placeholder}\"")))
        .await
        .unwrap_err();

    assert!(matches!(error, FetchError::Redirect { .. }) && error.to_string().contains("secret"), "{error}");
    assert_eq!(other.connections(), 0);
}
