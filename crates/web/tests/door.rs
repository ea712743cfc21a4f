//! What every request passes: unknown routes, wrong methods, request ids, headers.

use axum::body::Body;
use http::{Method, Request, StatusCode};
use insta::assert_snapshot;
use sqlx::PgPool;

use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn an_unknown_route_answers_the_envelope(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();

    assert_snapshot!(anyone.get("/api/v1/toolboxes").await, @r#"
    404 Not Found
    {
      "details": {},
      "error_code": "not_found",
      "message": "there is nothing at `/api/v1/toolboxes`; /api/v1/openapi.json lists what there is",
      "request_id": "[id]"
    }
    "#);
    assert_snapshot!(anyone.get("/api/v1/servers/").await, @r#"
    404 Not Found
    {
      "details": {},
      "error_code": "not_found",
      "message": "there is nothing at `/api/v1/servers/`; /api/v1/openapi.json lists what there is",
      "request_id": "[id]"
    }
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_method_that_is_not_there_is_told_which_are(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();

    let refused = anyone.send(Method::PUT, "/api/v1/servers", None).await;
    let asked = anyone.send(Method::OPTIONS, "/api/v1/servers", None).await;
    let head = anyone.send(Method::HEAD, "/health/live", None).await;

    assert_snapshot!(refused, @r#"
    405 Method Not Allowed
    {
      "details": {},
      "error_code": "method_not_allowed",
      "message": "PUT is not possible here; the header Allow says what is",
      "request_id": "[id]"
    }
    "#);
    assert_eq!(refused.header("allow"), "GET,HEAD,POST");
    assert_eq!(asked.status, StatusCode::NO_CONTENT);
    assert_eq!(asked.header("allow"), "GET,HEAD,POST");
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
}

#[sqlx::test(migrations = "../../migrations")]
async fn every_answer_carries_an_id_of_ours(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();
    let theirs = "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10";
    let with_theirs = |path: &str| Request::get(path).header("x-request-id", theirs).body(Body::empty()).unwrap();

    let refused = anyone.send_request(with_theirs("/api/v1/servers")).await;
    let welcome = anyone.send_request(with_theirs("/")).await;

    assert_eq!(refused.json()["request_id"], refused.header("x-request-id"));
    assert_ne!(refused.header("x-request-id"), theirs);
    assert_eq!(welcome.header("x-request-id").len(), 36);
    assert_ne!(welcome.header("x-request-id"), refused.header("x-request-id"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn answers_are_neither_guessed_at_nor_kept(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();

    let answer = anyone.get("/api/v1/servers").await;

    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.header("www-authenticate").starts_with("Bearer realm=\"toolwright\""));
}
