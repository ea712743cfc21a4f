use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use serde_json::json;
use sqlx::PgPool;

use super::browser::{ORIGIN, PASSWORD, csrf};
use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn a_form_without_the_token_of_its_own_browser_does_nothing(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut victim, mut attacker) = (doors.browser(), doors.browser());
    victim.sign_up("ada@example.com").await;
    attacker.sign_up("eve@example.com").await;
    let foreign = csrf(&attacker.get("/account").await);
    let of_form = csrf(&doors.browser().get("/sign-in").await);

    for token in ["", &foreign, &of_form] {
        for action in ["/account/sign-out-everywhere", "/sign-out", "/account/password"] {
            let answer =
                victim.post(action, &[("csrf", token), ("current", PASSWORD), ("next", "kettle orbit mantle fog")]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action} {token}: {answer}");
        }
    }
    let without = victim.post("/account/sign-out-everywhere", &[]).await;
    assert_eq!(without.status, StatusCode::FORBIDDEN);
    assert!(victim.is_signed_in().await);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_form_of_another_site_does_nothing_even_with_the_token(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut victim = doors.browser();
    victim.sign_up("ada@example.com").await;
    let token = csrf(&victim.get("/account").await);

    for origin in ["https://evil.test", "null", "http://127.0.0.1:8081", "https://127.0.0.1:8080"] {
        victim.origin = Some(origin.to_owned());
        let answer = victim.post("/account/sign-out-everywhere", &[("csrf", &token)]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin}: {answer}");
    }
    victim.origin = None;
    assert!(victim.is_signed_in().await);
    assert_eq!(victim.post("/sign-out", &[("csrf", &token)]).await.status, StatusCode::SEE_OTHER, "an old browser says nothing");
}

#[sqlx::test(migrations = "../../migrations")]
async fn nobody_is_signed_in_as_somebody_else_by_a_page_of_theirs(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut attacker = doors.browser();
    attacker.sign_up("eve@example.com").await;
    attacker.fill("/account", "/sign-out", &[]).await;
    let token = csrf(&attacker.get("/sign-in").await);
    let fields = [("csrf", token.as_str()), ("email", "eve@example.com"), ("password", PASSWORD)];

    let mut fresh = doors.browser();
    let without_cookie = fresh.post("/sign-in", &fields).await;
    fresh.get("/sign-in").await;
    let with_another = fresh.post("/sign-in", &fields).await;

    assert_eq!((without_cookie.status, with_another.status), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    assert_eq!(fresh.token(), None);
}

#[sqlx::test(migrations = "../../migrations")]
async fn no_page_can_be_framed_and_nothing_but_ours_runs_in_one(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut browser = doors.browser();
    browser.sign_up("ada@example.com").await;
    let invitation = doors.browser().get("/invitations/none").await;
    let failed = browser.post("/account/password", &[]).await;

    for answer in [
        doors.browser().get("/sign-in").await,
        doors.browser().get("/sign-up").await,
        browser.get("/account").await,
        doors.browser().get("/account").await,
        invitation,
        failed,
    ] {
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.text.contains("<script") && !answer.text.contains("style="), "{answer}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_api_takes_a_cookie_only_from_pages_of_ours(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut browser = doors.browser();
    browser.sign_up("ada@example.com").await;
    let cookie = format!("toolwright={}", browser.token().unwrap());
    let token = browser.fetch("GET", "/api/v1/account", None).await.json()["csrf_token"].as_str().unwrap().to_owned();
    let send = async |headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(Method::POST).uri("/api/v1/servers").header(header::COOKIE, &cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = json!({ "slug": "weather", "title": "Weather" }).to_string();
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body)).unwrap();
        doors.anyone().send_request(request).await.status
    };

    for headers in [
        &[][..],
        &[("origin", "https://evil.test")],
        &[("origin", "https://evil.test"), ("toolwright-csrf", &token)],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("toolwright-csrf", "wrong")],
        &[("origin", ORIGIN), ("toolwright-csrf", "wrong")],
    ] {
        assert_eq!(send(headers).await, StatusCode::FORBIDDEN, "{headers:?}");
    }
    assert_eq!(send(&[("origin", ORIGIN)]).await, StatusCode::CREATED);
    assert_eq!(send(&[("sec-fetch-site", "same-origin")]).await, StatusCode::CONFLICT, "it is there by now");
    assert_eq!(send(&[("toolwright-csrf", &token)]).await, StatusCode::CONFLICT);
}
