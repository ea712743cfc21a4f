//! The authorization endpoint (RFC 6749, section 3.1; OAuth 2.1).

use http::StatusCode;
use sqlx::PgPool;

use super::world::{ISSUER, MANAGEMENT, PASSWORD, World, form, hidden, parameter, with};
use crate::client::Answer;

#[sqlx::test(migrations = "../../migrations")]
async fn a_bad_client_or_address_is_told_to_the_person_and_to_nobody_else(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let good = app.request();

    for (what, request) in [
        ("no client", with(&good, "client_id", "")),
        ("unknown client", with(&good, "client_id", "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10")),
        ("no client's name", with(&good, "client_id", "<script>alert(1)</script>")),
        ("unregistered address", with(&good, "redirect_uri", "https://evil.test/callback")),
        ("longer path", with(&good, "redirect_uri", "https://client.test/callback/more")),
        ("more in the query", with(&good, "redirect_uri", "https://client.test/callback?next=https://evil.test")),
        ("another case", with(&good, "redirect_uri", "https://client.test/Callback")),
        ("another scheme", with(&good, "redirect_uri", "http://client.test/callback")),
        ("a user", with(&good, "redirect_uri", "https://client.test@evil.test/callback")),
        ("a way up", with(&good, "redirect_uri", "https://client.test/callback/../callback")),
        ("a fragment", with(&good, "redirect_uri", "https://client.test/callback#x")),
        ("a script", with(&good, "redirect_uri", "javascript:alert(1)")),
    ] {
        let answer = world.ada.get(&format!("/oauth/authorize?{}", form(&request))).await;

        assert_is_page(&answer, what);
        assert!(!answer.text.contains("<script>") && !answer.text.contains("javascript:"), "{what}: {answer}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_else_is_wrong_is_told_to_the_client_with_state_and_iss(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let good = app.request();

    for (request, error) in [
        (with(&good, "response_type", ""), "invalid_request"),
        (with(&good, "response_type", "token"), "unsupported_response_type"),
        (with(&good, "response_mode", "fragment"), "invalid_request"),
        (with(&good, "code_challenge", ""), "invalid_request"),
        (with(&good, "code_challenge_method", ""), "invalid_request"),
        (with(&good, "code_challenge_method", "plain"), "invalid_request"),
        (with(&good, "code_challenge", "short"), "invalid_request"),
        (with(&good, "resource", ""), "invalid_target"),
        (with(&good, "resource", "https://elsewhere.test/mcp/weather"), "invalid_target"),
        (with(&good, "scope", "email profile"), "invalid_scope"),
        (with(&good, "request", "eyJ"), "request_not_supported"),
        (with(&good, "prompt", "none"), "interaction_required"),
    ] {
        let answer = world.ada.get(&format!("/oauth/authorize?{}", form(&request))).await;

        let location = answer.header("location");
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{error}: {answer}");
        assert!(location.starts_with("https://client.test/callback?"), "{location}");
        assert_eq!(parameter(location, "error").as_deref(), Some(error), "{location}");
        assert_eq!(parameter(location, "state").as_deref(), Some("st&te=1"), "{location}");
        assert_eq!(parameter(location, "iss").as_deref(), Some(ISSUER), "RFC 9207: {location}");
        assert_eq!(parameter(location, "code"), None);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_6749_section_3_1_no_parameter_stands_twice(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;

    for (name, value, is_told) in [
        ("client_id", app.id.as_str(), false),
        ("redirect_uri", "https://evil.test/callback", false),
        ("state", "other", true),
        ("scope", "mcp:tools", true),
        ("code_challenge", "x", true),
        ("resource", MANAGEMENT, true),
        ("unknown", "1", true),
    ] {
        let mut request = app.request();
        request.extend([(name, value), (name, value)]);
        let answer = world.ada.get(&format!("/oauth/authorize?{}", form(&request))).await;

        if is_told {
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}: {answer}");
            assert!(parameter(answer.header("location"), "error").is_some(), "{name}");
            assert!(answer.header("location").starts_with("https://client.test/callback?"), "{name}");
        } else {
            assert_is_page(&answer, name);
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_8252_section_7_3_a_loopback_address_may_have_any_port(pool: PgPool) {
    let mut world = World::open(pool).await;
    for (registered, asked) in [
        ("http://127.0.0.1/callback", "http://127.0.0.1:49152/callback"),
        ("http://[::1]:1/callback", "http://[::1]:49152/callback"),
        ("http://localhost:3000/callback", "http://localhost:49152/callback"),
    ] {
        let app = world.app_at(registered).await;
        let request = app.request();

        let page = world.ada.consent_page(&with(&request, "redirect_uri", asked)).await;
        let decided = world.ada.decide(&page, "allow", &[]).await;

        assert!(decided.header("location").starts_with(&format!("{asked}?code=")), "{}", decided.header("location"));
        let other = asked.replace("/callback", "/other");
        let refused = world.ada.get(&format!("/oauth/authorize?{}", form(&with(&request, "redirect_uri", &other)))).await;
        assert_is_page(&refused, &other);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_request_may_come_in_a_form_from_any_page(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;

    let begun = world.ada.post_from("/oauth/authorize", &app.request(), "cross-site", "https://client.test").await;

    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{begun}");
    let page = world.ada.get(begun.header("location")).await;
    assert!(page.text.contains("Example client"), "{page}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_request_that_is_too_long_to_be_carried_is_refused(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let (long, too_long) = ("s".repeat(4_000), "s".repeat(9_000));

    let taken = world.ada.consent_page(&with(&app.request(), "state", &long)).await;
    let decided = world.ada.decide(&taken, "deny", &[]).await;
    let refused = world.ada.get(&format!("/oauth/authorize?{}", form(&with(&app.request(), "state", &too_long)))).await;

    assert_eq!(parameter(decided.header("location"), "state").as_deref(), Some(long.as_str()));
    assert_eq!(parameter(refused.header("location"), "error").as_deref(), Some("invalid_request"), "{refused}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_may_want_a_new_sign_in(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;

    let away = world.ada.consent_page(&with(&app.request(), "prompt", "login")).await;

    assert_eq!(away.status, StatusCode::SEE_OTHER);
    let location = away.header("location").to_owned();
    assert!(location.starts_with("/sign-in?") && location.ends_with("&again=1"), "{location}");
    let sign_in = world.ada.get(&location).await;
    let fields = [
        ("csrf", hidden(&sign_in, "csrf")),
        ("return_to", hidden(&sign_in, "return_to")),
        ("email", "ada@example.com".to_owned()),
        ("password", PASSWORD.to_owned()),
    ];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let back = world.ada.post("/sign-in", &fields).await;
    let page = world.ada.get(back.header("location")).await;
    assert!(page.text.contains("Example client"), "{back} {page}");
}

/// A page for a person: no redirect, nothing that another page could frame or read.
fn assert_is_page(answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.header("location")), (StatusCode::BAD_REQUEST, ""), "{what}: {answer}");
    assert!(answer.header("content-type").starts_with("text/html"), "{what}");
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{what}");
}
