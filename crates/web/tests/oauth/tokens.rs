//! The token endpoint, and what belongs to it.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{Clock as _, SetClock, SystemClock};
use http::StatusCode;
use serde_json::json;
use sqlx::PgPool;
use testkit::TestOptions;

use super::world::{CALLBACK, ISSUER, MANAGEMENT, SERVER, World, form, post_form, verifier, with};
use crate::client::{Answer, Doors};

fn error(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_code_is_good_once_and_shown_again_it_ends_what_came_of_it(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let code = world.ada.allow(&app.request()).await;
    let tokens = app.redeem(&code).await.json();
    assert_eq!(world.call(tokens["access_token"].as_str().unwrap()).await.status, StatusCode::OK);

    let again = app.redeem(&code).await;

    assert_eq!(error(&again), (400, "invalid_grant".to_owned()));
    assert_eq!(world.call(tokens["access_token"].as_str().unwrap()).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(error(&app.refresh(tokens["refresh_token"].as_str().unwrap()).await), (400, "invalid_grant".to_owned()));
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_7636_a_code_is_for_whoever_has_its_verifier(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;

    for (name, value, wanted) in [
        ("code_verifier", "", "invalid_request"),
        ("code_verifier", "tooshort", "invalid_request"),
        ("code_verifier", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "invalid_grant"),
        ("redirect_uri", "https://client.test/other", "invalid_grant"),
        ("resource", MANAGEMENT, "invalid_target"),
    ] {
        let code = world.ada.allow(&app.request()).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier()),
            ("client_id", &app.id),
            ("resource", SERVER),
        ];
        let refused = app.post("/oauth/token", &with(&fields, name, value)).await;

        assert_eq!(error(&refused), (400, wanted.to_owned()), "{name}={value}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_refresh_token_that_comes_back_late_ends_the_whole_family(pool: PgPool) {
    let clock = Arc::new(SetClock::at(SystemClock.now()));
    let options = TestOptions { clock: clock.clone(), ..TestOptions::default() };
    let world = World::of(Doors::open_with(&pool, options).await).await;
    let app = world.app().await;
    let first = world.tokens(&app).await;
    let first_refresh = first["refresh_token"].as_str().unwrap();

    let second = app.refresh(first_refresh).await.json();
    let retried = app.refresh(first_refresh).await;
    assert_eq!(retried.status, StatusCode::OK, "a client that lost the answer asks again: {retried}");
    clock.advance(TimeDelta::minutes(5));
    let replayed = app.refresh(first_refresh).await;

    assert_eq!(error(&replayed), (400, "invalid_grant".to_owned()));
    assert_eq!(error(&app.refresh(second["refresh_token"].as_str().unwrap()).await), (400, "invalid_grant".to_owned()));
    assert_eq!(world.call(second["access_token"].as_str().unwrap()).await.status, StatusCode::UNAUTHORIZED);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_refresh_gives_no_more_than_was_given(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let code = world.ada.allow(&app.request_for(SERVER, "mcp:tools:greet")).await;
    let tokens = app.redeem(&code).await.json();
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap()), ("client_id", &app.id)];

    let wider = app.post("/oauth/token", &[fields.as_slice(), &[("scope", "mcp:tools")]].concat()).await;
    let elsewhere = app.post("/oauth/token", &[fields.as_slice(), &[("resource", MANAGEMENT)]].concat()).await;

    assert_eq!(error(&wider), (400, "invalid_scope".to_owned()), "{wider}");
    assert_eq!(error(&elsewhere), (400, "invalid_target".to_owned()), "{elsewhere}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn requests_that_cannot_be_right_are_refused_by_their_code(pool: PgPool) {
    let world = World::open(pool).await;
    let app = world.app().await;
    let client = ("client_id", app.id.as_str());

    for (fields, wanted) in [
        (vec![client], (400, "invalid_request")),
        (vec![client, ("grant_type", "password"), ("username", "ada"), ("password", "x")], (400, "unsupported_grant_type")),
        (vec![client, ("grant_type", "authorization_code")], (400, "invalid_request")),
        (vec![client, ("grant_type", "authorization_code"), ("code", "x"), ("code", "y")], (400, "invalid_request")),
        (vec![client, ("grant_type", "refresh_token"), ("refresh_token", "unknown")], (400, "invalid_grant")),
        (vec![("grant_type", "refresh_token"), ("refresh_token", "unknown")], (401, "invalid_client")),
        (vec![("client_id", "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10"), ("grant_type", "refresh_token")], (401, "invalid_client")),
    ] {
        let refused = app.post("/oauth/token", &fields).await;

        assert_eq!(error(&refused), (wanted.0, wanted.1.to_owned()), "{fields:?}: {refused}");
        assert_eq!(refused.header("cache-control"), "no-store");
    }
    let in_query = post_form(&world.doors.anyone(), "/oauth/token?grant_type=refresh_token", &form(&[client])).await;
    assert_eq!(error(&in_query), (400, "invalid_request".to_owned()), "nothing is read from the address");
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_7009_a_token_is_given_back_by_whom_it_was_given_to(pool: PgPool) {
    let world = World::open(pool).await;
    let (app, other) = (world.app().await, world.app().await);
    let tokens = world.tokens(&app).await;
    let access_token = tokens["access_token"].as_str().unwrap();

    assert_eq!(app.revoke("never given out").await.status, StatusCode::OK, "section 2.2");
    assert_eq!(other.revoke(access_token).await.status, StatusCode::BAD_REQUEST, "section 2.1");
    assert_eq!(world.call(access_token).await.status, StatusCode::OK);
    assert_eq!(app.revoke(access_token).await.status, StatusCode::OK);
    assert_eq!(world.call(access_token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(error(&app.post("/oauth/revoke", &[("client_id", &app.id)]).await), (400, "invalid_request".to_owned()));
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_7662_those_who_may_know_are_told_what_a_token_is_worth(pool: PgPool) {
    let world = World::open(pool).await;
    let app = world.app().await;
    let tokens = world.tokens(&app).await;
    let body = form(&[("token", tokens["access_token"].as_str().unwrap())]);
    let stranger = world.doors.customer("free").await;

    let told = post_form(&world.owner, "/oauth/introspect", &body).await.json();
    let by_admin = post_form(&world.doors.admin(), "/oauth/introspect", &body).await.json();
    let not_told = post_form(&stranger, "/oauth/introspect", &body).await;
    let nobody = post_form(&world.doors.anyone(), "/oauth/introspect", &body).await;
    let unknown = post_form(&world.owner, "/oauth/introspect", "token=unknown").await;

    assert_eq!(
        [&told["active"], &told["aud"], &told["iss"], &told["scope"], &told["client_id"], &told["token_type"]],
        [&json!(true), &json!(SERVER), &json!(ISSUER), &json!("mcp:tools"), &json!(app.id), &json!("Bearer")]
    );
    assert_eq!(by_admin, told);
    assert_eq!(not_told.json(), json!({ "active": false }));
    assert_eq!(unknown.json(), json!({ "active": false }));
    assert_eq!(error(&nobody), (401, "invalid_client".to_owned()));
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_7517_the_keys_are_public_and_nothing_else(pool: PgPool) {
    let keys = Doors::open(pool).await.anyone().get("/oauth/jwks").await;

    let key = &keys.json()["keys"][0];
    assert_eq!(
        (key["kty"].as_str(), key["crv"].as_str(), key["alg"].as_str(), key["use"].as_str()),
        (Some("EC"), Some("P-256"), Some("ES256"), Some("sig"))
    );
    assert!(key["kid"].is_string() && key["d"].is_null(), "{key}");
}
