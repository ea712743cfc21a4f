//! What pages of other origins may send and read (CORS), at each door.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestOptions, unlimited};
use url::Url;
use web::PeerAddress;

use crate::client::{Answer, Doors};

const LISTED: &str = "https://ide.example";
const FOREIGN: &str = "https://evil.test";

async fn open(pool: &PgPool, options: TestOptions) -> Doors {
    Doors::open_changed(pool, options, |settings| settings.origins = vec![Url::parse(LISTED).unwrap().origin()]).await
}

/// What a browser asks before a page of `origin` may send such a request.
fn preflight(path: &str, origin: &str, method: &str) -> Request<Body> {
    let request = Request::options(path)
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, method)
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type,mcp-method,mcp-param-region");
    request.body(Body::empty()).unwrap()
}

fn names(answer: &Answer) -> Vec<&str> {
    answer.headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("access-control-")).collect()
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_page_that_is_listed_may_call_and_read(pool: PgPool) {
    let doors = open(&pool, TestOptions::default()).await;
    let customer = doors.customer_with_server().await;

    for (path, method) in [
        ("/mcp/weather", "POST"),
        ("/mcp/there-is-none", "POST"),
        ("/mcp/weather", "DELETE"),
        ("/api/v1/servers", "POST"),
        ("/admin/v1/tiers/free", "PUT"),
    ] {
        let asked = doors.anyone().send_request(preflight(path, LISTED, method)).await;

        assert_eq!(asked.status, StatusCode::NO_CONTENT, "{path}: {asked}");
        assert_eq!(asked.header("access-control-allow-origin"), LISTED, "{path}");
        assert!(asked.header("access-control-allow-methods").contains(method), "{path}");
        assert!(asked.header("access-control-allow-headers").contains("authorization"), "{path}");
        assert_eq!(
            asked.header("access-control-allow-headers").contains("mcp-param-region"),
            path.starts_with("/mcp/"),
            "{path}"
        );
        assert_eq!(asked.header("access-control-allow-credentials"), "", "{path}");
        assert!(asked.header("vary").contains("origin"), "{path}");
    }
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let call = |key: &str| {
        let request =
            Request::post("/mcp/weather").header(header::ORIGIN, LISTED).header(header::CONTENT_TYPE, "application/json");
        request.header(header::AUTHORIZATION, format!("Bearer {key}")).body(Body::from(list.clone())).unwrap()
    };
    let answered = doors.anyone().send_request(call(customer.key().unwrap())).await;
    let challenged = doors.anyone().send_request(call("wrong")).await;
    let read =
        customer.send_request(Request::get("/api/v1/servers").header(header::ORIGIN, LISTED).body(Body::empty()).unwrap()).await;

    assert_eq!((answered.status, challenged.status, read.status), (StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::OK));
    for answer in [answered, challenged, read] {
        assert_eq!(names(&answer), ["access-control-allow-origin", "access-control-expose-headers"], "{answer}");
        assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (LISTED, "origin"));
        for name in ["www-authenticate", "ratelimit", "retry-after", "mcp-session-id", "x-request-id"] {
            assert!(answer.header("access-control-expose-headers").contains(name), "{name}");
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_page_that_is_not_listed_is_refused_and_reads_nothing(pool: PgPool) {
    let doors = open(&pool, TestOptions::default()).await;
    let customer = doors.customer_with_server().await;

    for origin in [FOREIGN, "null", "https://ide.example.evil.test", "http://ide.example"] {
        for path in ["/mcp/weather", "/api/v1/servers", "/admin/v1/tiers"] {
            let asked = doors.anyone().send_request(preflight(path, origin, "POST")).await;
            let sent = Request::post(path).header(header::ORIGIN, origin).header(header::CONTENT_TYPE, "application/json");
            let sent = customer.send_request(sent.body(Body::from("{}")).unwrap()).await;

            for answer in [asked, sent] {
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin} {path}: {answer}");
                assert!(names(&answer).is_empty(), "{origin} {path}: {answer}");
                assert_eq!(answer.header("vary"), "origin", "{origin} {path}");
            }
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_a_cookie_opens_and_the_pages_are_read_by_no_page_of_others(pool: PgPool) {
    let doors = open(&pool, TestOptions::default()).await;
    let mut browser = doors.browser();
    browser.sign_up("ada@example.com").await;
    browser.origin = Some(LISTED.to_owned());

    for path in ["/api/v1/account", "/account", "/sign-in", "/account/passkeys", "/oauth/authorize", "/oauth/consent", "/device"]
    {
        for method in [Method::GET, Method::OPTIONS] {
            let answer = browser.send(method.clone(), path, None, Vec::new()).await;
            assert!(names(&answer).is_empty(), "{method} {path}: {answer}");
        }
        if !path.starts_with("/api/") {
            let asked = doors.anyone().send_request(preflight(path, LISTED, "POST")).await;
            assert!(names(&asked).is_empty(), "{path}: {asked}");
        }
    }
    let changed = browser.fetch("POST", "/api/v1/servers", Some(json!({ "slug": "weather", "title": "Weather" }))).await;
    assert_eq!(changed.status, StatusCode::FORBIDDEN, "a listed page has no use for somebody's cookie: {changed}");
    for path in ["/", "/health/ready", "/metrics", "/assets/style.css"] {
        let answer =
            doors.admin().send_request(Request::get(path).header(header::ORIGIN, LISTED).body(Body::empty()).unwrap()).await;
        assert!(answer.status == StatusCode::OK && names(&answer).is_empty(), "{path}: {answer}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_asked_beforehand_is_counted_and_too_much_of_it_can_be_read(pool: PgPool) {
    let limits = app::limits::LimitSettings { requests_per_minute_max: 2, ..unlimited() };
    let doors = open(&pool, TestOptions { limits, ..TestOptions::default() }).await;
    let from = |mut request: Request<Body>| {
        request.extensions_mut().insert(PeerAddress("192.0.2.1".parse().unwrap()));
        request
    };

    for _ in 0..2 {
        let asked = doors.anyone().send_request(from(preflight("/mcp/weather", LISTED, "POST"))).await;
        assert_eq!(asked.status, StatusCode::NO_CONTENT);
    }
    let asked = doors.anyone().send_request(from(preflight("/mcp/weather", LISTED, "POST"))).await;
    let sent = Request::post("/mcp/weather").header(header::ORIGIN, LISTED).body(Body::empty()).unwrap();
    let sent = doors.anyone().send_request(from(sent)).await;

    for answer in [&asked, &sent] {
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer}");
        assert_eq!(answer.header("access-control-allow-origin"), LISTED, "{answer}");
        assert!(!answer.header("retry-after").is_empty(), "{answer}");
    }
    assert_eq!(asked.header("access-control-allow-methods"), "", "what is refused is allowed nothing");
    assert_eq!(sent.json()["error"]["data"]["error_code"], "rate_limited");
}
