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

#[sqlx::test(migrations = "../../migrations")]
async fn a_name_that_is_not_ours_and_a_foreign_page_are_refused(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();
    let get = |path: &str, name: &str, value: &str| Request::get(path).header(name, value).body(Body::empty()).unwrap();

    for (path, wanted) in [
        ("/", "\"error_code\":\"misdirected\""),
        ("/api/v1/servers", "\"error_code\":\"misdirected\""),
        ("/admin/v1/customers", "\"error_code\":\"misdirected\""),
        ("/metrics-of-evil", "\"error_code\":\"misdirected\""),
        ("/mcp/checks", "\"error_code\":\"misdirected\""),
        ("/oauth/jwks", "\"error\":\"invalid_request\""),
        ("/sign-in", "<h1>This did not work</h1>"),
    ] {
        let refused = anyone.send_request(get(path, "host", "evil.test")).await;
        assert_eq!(refused.status, StatusCode::MISDIRECTED_REQUEST, "{path}: {refused}");
        assert!(refused.text.contains(wanted), "{path}: {refused}");
    }
    assert_eq!(anyone.send_request(get("/health/live", "host", "10.0.0.7")).await.status, StatusCode::OK);
    for path in ["/api/v1/servers", "/admin/v1/customers"] {
        let refused = anyone.send_request(get(path, "origin", "https://evil.test")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {refused}");
    }
    assert_eq!(anyone.send_request(get("/oauth/jwks", "origin", "https://evil.test")).await.status, StatusCode::OK);
}

#[sqlx::test(migrations = "../../migrations")]
async fn every_answer_says_that_it_is_no_page(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();

    for path in ["/", "/api/v1/servers", "/mcp/checks", "/oauth/jwks", "/nothing", "/health/live"] {
        let answer = anyone.get(path).await;
        for (name, wanted) in [
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(answer.header(name), wanted, "{path}");
        }
    }
    let page = anyone.get("/sign-in").await;
    assert!(page.header("permissions-policy").contains("camera=()"), "{page}");
    assert_eq!(anyone.get("/oauth/jwks").await.header("access-control-allow-origin"), "*");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_fault_tells_nothing_at_any_door(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let customer = doors.customer("free").await;
    let (admin, anyone) = (doors.admin(), doors.anyone());
    doors.lose_database().await;

    let mut answers = Vec::new();
    for path in ["/api/v1/servers", "/api/v1/executions", "/mcp/checks"] {
        answers.push(customer.get(path).await);
        answers.push(customer.post(path, serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "slug": "abc", "title": "A", "description": "b"})).await);
    }
    for path in ["/admin/v1/customers", "/admin/v1/tiers", "/admin/v1/breakers"] {
        answers.push(admin.get(path).await);
    }
    for path in ["/health/ready", "/sign-in", "/oauth/authorize?client_id=x", "/.well-known/oauth-protected-resource/mcp/abc"] {
        answers.push(anyone.get(path).await);
    }
    for path in ["/oauth/token", "/oauth/register", "/oauth/revoke", "/oauth/introspect"] {
        answers.push(anyone.post(path, serde_json::json!({})).await);
    }

    assert!(answers.iter().any(|answer| answer.status.is_server_error()), "something is at fault");
    for answer in answers {
        answer.assert_tells_nothing_inner("without the database");
    }
}
