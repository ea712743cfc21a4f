//! The whole way of a client, from nothing to a call and back.

use http::StatusCode;
use serde_json::json;
use sqlx::PgPool;

use super::world::{ISSUER, SERVER, World, parameter};

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_registers_is_let_in_calls_refreshes_and_gives_its_tokens_back(pool: PgPool) {
    let mut world = World::open(pool).await;
    let unknown = world.doors.anyone().post("/mcp/weather", json!({})).await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    let metadata = format!("resource_metadata=\"{ISSUER}/.well-known/oauth-protected-resource/mcp/weather\"");
    assert!(unknown.header("www-authenticate").contains(&metadata), "{}", unknown.header("www-authenticate"));
    let app = world.app().await;

    let page = world.ada.consent_page(&app.request()).await;
    let decided = world.ada.decide(&page, "allow", &[]).await;
    assert_eq!(decided.status, StatusCode::SEE_OTHER);
    let location = decided.header("location").to_owned();
    assert!(location.starts_with("https://client.test/callback?"), "{location}");
    assert_eq!(parameter(&location, "state").as_deref(), Some("st&te=1"));
    assert_eq!(parameter(&location, "iss").as_deref(), Some(ISSUER));

    let tokens = app.redeem(&parameter(&location, "code").unwrap()).await;
    assert_eq!((tokens.status, tokens.header("cache-control")), (StatusCode::OK, "no-store"), "{tokens}");
    let tokens = tokens.json();
    assert_eq!((tokens["token_type"].as_str(), tokens["scope"].as_str()), (Some("Bearer"), Some("mcp:tools")));
    let access_token = tokens["access_token"].as_str().unwrap();
    let called = world.call(access_token).await;
    assert_eq!(called.status, StatusCode::OK, "{called}");
    assert!(called.text.contains("Hello, Ada!"), "{called}");

    let refreshed = app.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{refreshed}");
    let refreshed = refreshed.json();
    let newer = refreshed["access_token"].as_str().unwrap();
    assert_eq!(world.call(newer).await.status, StatusCode::OK);

    let revoked = app.revoke(refreshed["refresh_token"].as_str().unwrap()).await;
    assert_eq!(revoked.status, StatusCode::OK, "{revoked}");
    for token in [access_token, newer] {
        let refused = world.call(token).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused}");
        assert!(refused.header("www-authenticate").contains("invalid_token"), "{}", refused.header("www-authenticate"));
    }
    assert_eq!(app.refresh(refreshed["refresh_token"].as_str().unwrap()).await.json()["error"], "invalid_grant");
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_is_not_signed_in_is_led_there_and_comes_back_to_the_request(pool: PgPool) {
    let world = World::open(pool).await;
    let app = world.app().await;
    let mut browser = world.browser();

    let away = browser.consent_page(&app.request()).await;
    assert_eq!(away.status, StatusCode::SEE_OTHER);
    assert!(
        away.header("location").starts_with("/sign-in?return_to=%2Foauth%2Fconsent%3Frequest%3D"),
        "{}",
        away.header("location")
    );
    let back = parameter(away.header("location"), "return_to").unwrap();
    let page = world.ada.clone().get(&back).await;

    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Example client") && page.text.contains("ada@example.com"), "{page}");
    assert!(!back.contains(SERVER) && !back.contains(&app.id), "the request is sealed: {back}");
}
