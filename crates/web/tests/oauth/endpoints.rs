//! What all endpoints for programs have in common: JSON whatever goes wrong, and pages of other sites may read it.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use sqlx::PgPool;

use crate::client::{Answer, Client, Doors};

const POSTS: [&str; 4] = ["/oauth/token", "/oauth/register", "/oauth/revoke", "/oauth/introspect"];
const GETS: [&str; 4] = [
    "/oauth/jwks",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-protected-resource/mcp/weather",
];

#[sqlx::test(migrations = "../../migrations")]
async fn x_3_every_error_of_an_endpoint_is_json(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();
    let too_large = "a=".to_owned() + &"x".repeat(64 * 1024);

    for path in POSTS {
        for (what, status, answer) in [
            ("method", 405, anyone.get(path).await),
            ("no body", 415, send(&anyone, path, None, "").await),
            ("other body", 415, send(&anyone, path, Some("text/plain"), "a=b").await),
            ("too large", 413, send(&anyone, path, Some(kind_of(path)), &too_large).await),
            (
                "broken text",
                if matches!(path, "/oauth/token" | "/oauth/revoke") { 401 } else { 400 },
                send(&anyone, path, Some(kind_of(path)), "%ff&{").await,
            ),
        ] {
            assert_eq!(answer.status.as_u16(), status, "{path}: {what}: {answer}");
            assert_is_oauth_error(&answer, &format!("{path}: {what}"));
        }
    }
    for path in GETS {
        let answer = anyone.send(Method::DELETE, path, None).await;
        assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD"), "{path}");
        assert_is_oauth_error(&answer, path);
    }
    for path in ["/oauth/nothing", "/oauth/token/more", "/.well-known/nothing", "/.well-known/oauth-protected-resource/elsewhere"]
    {
        let answer = anyone.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_is_oauth_error(&answer, path);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn pages_of_other_sites_may_call_without_credentials(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();

    for (path, method) in POSTS.map(|path| (path, "POST")).into_iter().chain(GETS.map(|path| (path, "GET"))) {
        let asked = Request::options(path)
            .header(header::ORIGIN, "https://client.test")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, method)
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type,mcp-protocol-version");
        let allowed = anyone.send_request(asked.body(Body::empty()).unwrap()).await;

        assert_eq!(allowed.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(allowed.header("access-control-allow-origin"), "*", "{path}");
        assert!(allowed.header("access-control-allow-methods").contains(method), "{path}");
        assert_eq!(allowed.header("access-control-allow-headers"), "authorization, content-type, mcp-protocol-version", "{path}");
        assert_eq!(allowed.header("access-control-allow-credentials"), "", "{path}");
    }
    for path in ["/oauth/token", "/oauth/nothing"] {
        let refused = anyone.get(path).await;
        assert_eq!(refused.header("access-control-allow-origin"), "*", "{path}: an error can be read as well");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn no_other_site_may_read_the_pages(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();

    for path in ["/oauth/authorize", "/oauth/consent"] {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let asked = Request::builder().method(&method).uri(path).header(header::ORIGIN, "https://client.test");
            let asked = asked.header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET").body(Body::empty()).unwrap();
            let answer = anyone.send_request(asked).await;

            assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{method} {path}: {answer}");
        }
    }
}

fn kind_of(path: &str) -> &'static str {
    if path == "/oauth/register" { "application/json" } else { "application/x-www-form-urlencoded" }
}

fn assert_is_oauth_error(answer: &Answer, what: &str) {
    let body = answer.json();
    assert!(answer.header("content-type").starts_with("application/json"), "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    assert!(body["error"].is_string() && body["error_description"].is_string(), "{what}: {body}");
}

async fn send(client: &Client, path: &str, media_type: Option<&str>, body: &str) -> Answer {
    let mut request = Request::post(path);
    if let Some(media_type) = media_type {
        request = request.header(header::CONTENT_TYPE, media_type);
    }
    client.send_request(request.body(Body::from(body.to_owned())).unwrap()).await
}
