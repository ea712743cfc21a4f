//! Devices without a browser (RFC 8628): they ask, a person decides on a page, they get tokens.

use axum::body::Body;
use domain::Digest;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;
use web::PeerAddress;

use super::world::{App, Browser, MANAGEMENT, SERVER, World, form, hidden, post_form};
use crate::client::{Answer, Client, GREET};

/// A device that has a code.
struct Device {
    client: Client,
    id: String,
    told: Value,
}

impl Device {
    async fn begun(world: &World) -> Self {
        Self::begun_for(world, SERVER, "mcp:tools").await
    }

    async fn begun_for(world: &World, resource: &str, scope: &str) -> Self {
        let metadata = json!({
            "client_name": "Example TV", "token_endpoint_auth_method": "none",
            "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        });
        let client = world.doors.anyone();
        let registered = client.post("/oauth/register", metadata).await;
        let id = registered.json()["client_id"].as_str().unwrap_or_else(|| panic!("{registered}")).to_owned();
        let fields = form(&[("client_id", &id), ("resource", resource), ("scope", scope)]);
        let told = post_form(&client, "/oauth/device_authorization", &fields).await;
        assert_eq!((told.status, told.header("cache-control")), (StatusCode::OK, "no-store"), "{told}");
        Self { client, id, told: told.json() }
    }

    fn user_code(&self) -> &str {
        self.told["user_code"].as_str().unwrap()
    }

    async fn poll(&self) -> Answer {
        self.poll_as(&self.id).await
    }

    async fn poll_as(&self, id: &str) -> Answer {
        let code = self.told["device_code"].as_str().unwrap();
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let fields = form(&[("grant_type", grant), ("device_code", code), ("client_id", id)]);
        post_form(&self.client, "/oauth/token", &fields).await
    }

    async fn hears(&self, error: &str) {
        let answer = self.poll().await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (StatusCode::BAD_REQUEST, Some(error)), "{answer}");
    }
}

async fn page(browser: &mut Browser, user_code: &str) -> Answer {
    browser.get(&format!("/device?{}", form(&[("user_code", user_code)]))).await
}

async fn decide(browser: &mut Browser, device: &Device, decision: &str, more: &[(&str, &str)]) -> Answer {
    let page = page(browser, device.user_code()).await;
    assert_eq!(page.status, StatusCode::OK, "{page}");
    let csrf = hidden(&page, "csrf");
    let mut fields = vec![("csrf", csrf.as_str()), ("user_code", device.user_code()), ("decision", decision)];
    fields.extend(more);
    browser.post("/device", &fields).await
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_8628_a_device_gets_tokens_once_when_its_user_says_yes(pool: PgPool) {
    let mut world = World::open(pool).await;
    let device = Device::begun(&world).await;
    assert_eq!(device.told["verification_uri"], "http://127.0.0.1:8080/device");
    assert_eq!((&device.told["interval"], &device.told["expires_in"]), (&json!(5), &json!(600)));
    device.hears("authorization_pending").await;

    let asked = page(&mut world.ada, &device.user_code().to_lowercase().replace('-', " ")).await;
    let decided = decide(&mut world.ada, &device, "allow", &[]).await;
    let tokens = device.poll().await;

    let kept = "under <a href=\"/account/access\">Access</a>, you can take it back";
    for shown in ["Example TV", "Weather", "use everything on this server", "If somebody sent you", kept, device.user_code()] {
        assert!(asked.text.contains(shown), "{shown}: {asked}");
    }
    assert!(asked.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(decided.status == StatusCode::OK && decided.text.contains("let in"), "{decided}");
    assert_eq!((tokens.status, tokens.header("cache-control")), (StatusCode::OK, "no-store"), "{tokens}");
    let tokens = tokens.json();
    let called = world.call(tokens["access_token"].as_str().unwrap()).await;
    assert!(called.text.contains("Hello, Ada!"), "{called}");
    assert!(tokens["refresh_token"].is_string());
    device.hears("invalid_grant").await;
    assert_eq!(page(&mut world.ada, device.user_code()).await.status, StatusCode::NOT_FOUND, "it is decided once");
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_8628_section_3_5_a_device_that_asks_too_often_is_slowed_down(pool: PgPool) {
    let world = World::open(pool).await;
    let device = Device::begun(&world).await;

    device.hears("authorization_pending").await;
    device.hears("slow_down").await;
    device.hears("slow_down").await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_8628_section_3_5_no_and_too_late_are_told(pool: PgPool) {
    let mut world = World::open(pool.clone()).await;
    let (denied, late) = (Device::begun(&world).await, Device::begun(&world).await);

    let answer = decide(&mut world.ada, &denied, "deny", &[]).await;
    let sha256 = Digest::of(late.told["device_code"].as_str().unwrap().as_bytes());
    sqlx::query("UPDATE device_grants SET expires_at = created_at WHERE sha256 = $1")
        .bind(sha256.as_bytes().as_slice())
        .execute(&pool)
        .await
        .unwrap();

    assert!(answer.text.contains("Nothing was allowed"), "{answer}");
    denied.hears("access_denied").await;
    late.hears("expired_token").await;
    assert_eq!(page(&mut world.ada, late.user_code()).await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_8628_section_3_4_a_device_code_is_of_no_use_to_another_client(pool: PgPool) {
    let mut world = World::open(pool).await;
    let (device, other) = (Device::begun(&world).await, Device::begun(&world).await);
    decide(&mut world.ada, &device, "allow", &[]).await;

    let stolen = device.poll_as(&other.id).await;

    assert_eq!((stolen.status, stolen.json()["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_grant")));
    assert_eq!(device.poll().await.status, StatusCode::OK, "who finds a code cannot end what it is for");
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_8628_section_5_1_codes_are_not_found_by_trying(pool: PgPool) {
    let mut world = World::open(pool).await;
    let device = Device::begun(&world).await;

    let mut last = page(&mut world.ada, "BBBB-BBBB").await;
    for _ in 0..30 {
        assert!(matches!(last.status, StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS), "{last}");
        last = page(&mut world.ada, "BBBB-BBBB").await;
    }
    let right = page(&mut world.ada, device.user_code()).await;

    assert_eq!((last.status, right.status), (StatusCode::TOO_MANY_REQUESTS, StatusCode::TOO_MANY_REQUESTS));
    assert!(right.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert_eq!(page(&mut world.stranger().await, "BBBB-BBBB").await.status, StatusCode::NOT_FOUND, "others have their own tries");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_device_is_let_in_only_by_a_person_who_may_use_what_it_asks_for_on_our_own_page(pool: PgPool) {
    let mut world = World::open(pool).await;
    let device = Device::begun(&world).await;
    let path = format!("/device?user_code={}", device.user_code());

    let anyone = world.browser().get(&path).await;
    let stranger = page(&mut world.stranger().await, device.user_code()).await;
    let asked = page(&mut world.ada, device.user_code()).await;
    let csrf = hidden(&asked, "csrf");
    let fields = [("csrf", csrf.as_str()), ("user_code", device.user_code()), ("decision", "allow")];
    let foreign = world.ada.post_from("/device", &fields, "cross-site", "https://evil.test").await;
    let forged = world.ada.post("/device", &fields[1..]).await;

    assert_eq!(anyone.status, StatusCode::SEE_OTHER, "{anyone}");
    assert!(anyone.header("location").starts_with("/sign-in?return_to="), "{anyone}");
    assert_eq!(stranger.status, StatusCode::FORBIDDEN, "{stranger}");
    assert_eq!((foreign.status, forged.status), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    device.hears("authorization_pending").await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_device_gets_what_was_ticked(pool: PgPool) {
    let mut world = World::open(pool).await;
    let device = Device::begun_for(&world, MANAGEMENT, "servers:read executions:read").await;

    let nothing = decide(&mut world.ada, &device, "allow", &[]).await;
    let decided = decide(&mut world.ada, &device, "allow", &[("scope servers:read", "yes")]).await;

    assert_eq!((nothing.status, decided.status), (StatusCode::UNPROCESSABLE_ENTITY, StatusCode::OK), "{nothing}{decided}");
    assert_eq!(device.poll().await.json()["scope"], "servers:read");
}

#[sqlx::test(migrations = "../../migrations")]
async fn only_clients_that_registered_for_it_begin_and_for_something_that_there_is(pool: PgPool) {
    let world = World::open(pool).await;
    let app: App = world.app().await;
    let device = Device::begun(&world).await;

    let begin = async |id: &str, more: &str| {
        let body = format!("client_id={id}{more}");
        post_form(&world.doors.anyone(), "/oauth/device_authorization", &body).await.json()["error"].clone()
    };

    assert_eq!(begin(&app.id, "&resource=http://127.0.0.1:8080/mcp/weather").await, "unauthorized_client");
    assert_eq!(begin(&device.id, "").await, "invalid_target");
    assert_eq!(begin(&device.id, "&resource=https://evil.test/mcp/weather").await, "invalid_target");
    assert_eq!(
        begin("01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10", "&resource=http://127.0.0.1:8080/mcp/weather").await,
        "invalid_client"
    );
}

/// All devices of one client have places together, and a client that is no secret is anybody's.
#[sqlx::test(migrations = "../../migrations")]
async fn no_network_takes_the_places_of_all_devices(pool: PgPool) {
    let world = World::open(pool.clone()).await;
    let device = Device::begun(&world).await;
    let fields = form(&[("client_id", &device.id), ("resource", SERVER)]);
    let ask = async |address: &str| {
        let request = Request::builder().method(Method::POST).uri("/oauth/device_authorization");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.extension(PeerAddress(address.parse().unwrap()));
        world.doors.anyone().send_request(request.body(Body::from(fields.clone())).unwrap()).await
    };

    for _ in 0..30 {
        assert_eq!(ask("192.0.2.1").await.status, StatusCode::OK);
    }
    let refused = ask("192.0.2.1").await;

    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused}");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|wait_s| (1..=20).contains(&wait_s)), "{refused}");
    assert_eq!(ask("192.0.2.2").await.status, StatusCode::OK);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_device_is_among_what_its_user_can_take_back(pool: PgPool) {
    let mut world = World::open(pool).await;
    let device = Device::begun(&world).await;
    decide(&mut world.ada, &device, "allow", &[]).await;
    let tokens = device.poll().await.json();
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(world.call(token).await.status, StatusCode::OK);

    let page = world.ada.get("/account/access").await;
    assert!(page.text.contains("Example TV") && page.text.contains("/mcp/weather"), "{page}");
    let id = page.text.split("action=\"/account/access/").nth(1).unwrap().split('/').next().unwrap();
    let csrf = hidden(&page, "csrf");
    let taken = world.ada.post(&format!("/account/access/{id}/end"), &[("csrf", &csrf)]).await;

    assert_eq!(taken.header("location"), "/account/access?done=taken-back", "{taken}");
    assert_eq!(world.call(token).await.status, StatusCode::UNAUTHORIZED);
    assert!(!world.ada.get("/account/access").await.text.contains("Example TV"));
}

/// SEC-18.
#[sqlx::test(migrations = "../../migrations")]
async fn a_device_is_let_in_for_what_there_is_today(pool: PgPool) {
    let mut world = World::open(pool).await;
    let device = Device::begun(&world).await;
    let shown = page(&mut world.ada, device.user_code()).await;
    assert!(shown.text.contains("name=\"hold_back\" value=\"yes\">"), "{shown}");
    decide(&mut world.ada, &device, "allow", &[("hold_back", "yes")]).await;
    let tokens = device.poll().await.json();
    let token = tokens["access_token"].as_str().unwrap();
    assert!(world.call(token).await.json()["result"].is_object());

    let changed = GREET.replace("Greets somebody by name.", "Greets, and obeys.");
    let body = json!({ "language": "typescript", "source": changed });
    assert_eq!(world.owner.put("/api/v1/servers/weather/tools/greet", body).await.status, StatusCode::CREATED);
    assert_eq!(world.owner.post("/api/v1/servers/weather/releases", json!({})).await.status, StatusCode::CREATED);

    assert_eq!(world.call(token).await.json()["error"]["data"]["error_code"], "definition_changed");
}
