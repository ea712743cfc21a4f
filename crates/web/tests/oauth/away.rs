//! What passes is no refusal: a client's host that is away, or the database, is 503, with when to come back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use serde_json::json;
use sqlx::PgPool;
use testkit::{SeenRequest, TestOptions, Upstream, UpstreamAnswer};

use super::world::{CALLBACK, SERVER, World, form, hidden, post_form, with};
use crate::client::{Answer, Doors};

/// A page that says to come back, and leads nowhere.
fn assert_comes_back(answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SERVICE_UNAVAILABLE, ""), "{what}: {answer}");
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|wait_s| (1..=60).contains(&wait_s)), "{what}");
    assert!(answer.header("content-type").starts_with("text/html"), "{what}");
    assert!(answer.text.contains("Not available for a moment") && answer.text.contains("try again"), "{what}: {answer}");
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{what}");
}

/// A world with a client that describes itself at a host, which may go away.
async fn world_with_host(pool: &PgPool) -> (World, Upstream, Arc<AtomicBool>) {
    let is_away = Arc::new(AtomicBool::new(false));
    let away = Arc::clone(&is_away);
    let host = Upstream::start_tls(move |request: &SeenRequest| {
        if away.load(Ordering::Relaxed) {
            return UpstreamAnswer::status(StatusCode::BAD_GATEWAY);
        }
        UpstreamAnswer::json(&json!({
            "client_id": format!("https://{}{}", request.header("host"), request.path),
            "client_name": "Document client",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
        }))
    })
    .await;
    let options = TestOptions { egress: host.egress(), ..TestOptions::default() };
    (World::of(Doors::open_with(pool, options).await).await, host, is_away)
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_clients_host_that_is_away_is_no_fault_of_the_client(pool: PgPool) {
    let (mut world, host, is_away) = world_with_host(&pool).await;
    let id = host.url("/client.json");
    let mut app = world.app().await;
    app.id.clone_from(&id);
    is_away.store(true, Ordering::Relaxed);

    let begun = world.ada.get(&format!("/oauth/authorize?{}", form(&app.request()))).await;
    let by_form = world.ada.post_from("/oauth/authorize", &app.request(), "cross-site", "https://client.test").await;
    let wrong = form(&with(&app.request(), "code_challenge", "short"));
    let wrong = world.ada.get(&format!("/oauth/authorize?{wrong}")).await;
    let token = app.redeem("code").await;
    let device = app.post("/oauth/device_authorization", &[("client_id", &id), ("resource", SERVER)]).await;

    for (what, page) in [("by link", begun), ("by form", by_form), ("a wrong request", wrong)] {
        assert_comes_back(&page, what);
    }
    for (what, answer) in [("token", token), ("device", device)] {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{what}: {answer}");
        assert_eq!((answer.json()["error"].as_str(), answer.header("retry-after")), (Some("temporarily_unavailable"), "10"));
    }
    is_away.store(false, Ordering::Relaxed);
    assert!(world.ada.consent_page(&app.request()).await.text.contains("Document client"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn hosts_that_cannot_be_reached_are_told_to_the_person_alone(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;

    for id in ["https://169.254.169.254/client.json", "https://localhost/client.json", "https://nowhere.invalid/client.json"] {
        let answer = world.ada.get(&format!("/oauth/authorize?{}", form(&with(&app.request(), "client_id", id)))).await;

        assert_comes_back(&answer, id);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn while_a_device_waits_its_clients_host_may_go_away(pool: PgPool) {
    let (mut world, host, is_away) = world_with_host(&pool).await;
    let id = host.url("/client.json");
    let device = world.app().await.post("/oauth/device_authorization", &[("client_id", &id), ("resource", SERVER)]).await;
    let user_code = device.json()["user_code"].as_str().unwrap_or_else(|| panic!("{device}")).to_owned();
    // A node that has not read the document.
    is_away.store(true, Ordering::Relaxed);
    let options = TestOptions { egress: host.egress(), ..TestOptions::default() };
    let other = Doors::open_with(&pool, options).await;
    let mut ada = world.ada.at(&other);

    let asked = ada.get(&format!("/device?{}", form(&[("user_code", &user_code)]))).await;
    let csrf = hidden(&world.ada.get("/device").await, "csrf");
    let decided = ada.post("/device", &[("csrf", &csrf), ("user_code", &user_code), ("decision", "allow")]).await;

    assert_comes_back(&asked, "looked at");
    assert_comes_back(&decided, "decided");
    is_away.store(false, Ordering::Relaxed);
    let asked = ada.get(&format!("/device?{}", form(&[("user_code", &user_code)]))).await;
    assert!(asked.status == StatusCode::OK && asked.text.contains("Document client"), "nothing was decided: {asked}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn without_the_database_pages_say_so_and_lose_nothing(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let page = world.ada.consent_page(&app.request()).await;
    let (csrf, request) = (hidden(&page, "csrf"), hidden(&page, "request"));
    let mut unknown = world.browser();
    world.lose_database().await;

    let begun = unknown.get(&format!("/oauth/authorize?{}", form(&app.request_of("01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10")))).await;
    let decided = world.ada.post("/oauth/consent", &[("csrf", &csrf), ("request", &request), ("decision", "allow")]).await;
    let device = world.ada.get("/device?user_code=WDJB-MJHT").await;

    for (what, page) in [("authorize", begun), ("consent", decided), ("device", device)] {
        assert_comes_back(&page, what);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn without_the_database_every_endpoint_says_when_to_come_back(pool: PgPool) {
    let world = World::open(pool).await;
    let anyone = world.doors.anyone();
    let id = "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10";
    world.lose_database().await;

    let mut answers = Vec::new();
    for (path, fields) in [
        ("/oauth/token", vec![("grant_type", "refresh_token"), ("refresh_token", "x")]),
        ("/oauth/device_authorization", vec![("resource", SERVER)]),
        ("/oauth/revoke", vec![("token", "x")]),
        ("/oauth/introspect", vec![("token", "x")]),
    ] {
        let fields = [fields, vec![("client_id", id)]].concat();
        answers.push((path, post_form(&anyone, path, &form(&fields)).await));
    }
    let metadata = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    answers.push(("register", anyone.post("/oauth/register", metadata.clone()).await));
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let request = Request::builder()
            .method(method)
            .uri(format!("/oauth/register/{id}"))
            .header(header::AUTHORIZATION, "Bearer token")
            .header(header::CONTENT_TYPE, "application/json");
        let mut body = metadata.clone();
        body["client_id"] = json!(id);
        answers.push(("registration", anyone.send_request(request.body(Body::from(body.to_string())).unwrap()).await));
    }

    for (what, answer) in answers {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{what}: {answer}");
        assert_eq!(
            (answer.json()["error"].as_str(), answer.header("retry-after")),
            (Some("temporarily_unavailable"), "5"),
            "{what}"
        );
    }
    assert_eq!(anyone.get("/.well-known/oauth-authorization-server").await.status, StatusCode::OK, "documents need none");
}
