//! What cannot be right: each is answered by the envelope, with what was wrong and what would be right, and changes nothing.

use axum::body::Body;
use http::{Method, Request, header};
use insta::assert_snapshot;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::client::{Client, Doors, GREET};

#[sqlx::test(migrations = "../../migrations")]
async fn a_body_that_is_not_json(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let bodies =
        ["", "{", "slug=a", "{\"slug\": \"abc\", \"title\": \"A\"} {}", "{\"slug\": \"\\ud800\", \"title\": \"A\"}", "[1e999]"];

    let told = told(&customer, bodies.map(|body| raw(Method::POST, "/api/v1/servers", "application/json", body)).into()).await;

    assert_snapshot!(told, @r#"
    400 unreadable the body is not JSON: EOF while parsing a value at line 1 column 0
    400 unreadable the body is not JSON: EOF while parsing an object at line 1 column 1
    400 unreadable the body is not JSON: expected value at line 1 column 1
    400 unreadable the body is not JSON: trailing characters at line 1 column 31
    400 unreadable the body is not JSON: unexpected end of hex escape at line 1 column 17
    400 unreadable the body is not JSON: number out of range at line 1 column 6
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_body_that_is_declared_as_something_else(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let mut coded = raw(Method::POST, "/api/v1/servers", "application/json", "{}");
    coded.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    let undeclared = Request::post("/api/v1/servers").body(Body::from("{}")).unwrap();

    let told = told(&customer, vec![raw(Method::POST, "/api/v1/servers", "text/plain", "{}"), undeclared, coded]).await;

    assert_snapshot!(told, @r#"
    415 unsupported_media_type a body of JSON is needed, with the header `Content-Type: application/json`
    415 unsupported_media_type a body of JSON is needed, with the header `Content-Type: application/json`
    415 unsupported_media_type the body must be sent as it is: no Content-Encoding is undone here
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn members_of_the_wrong_type_unknown_missing_or_twice(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let server = |body: &str| raw(Method::POST, "/api/v1/servers", "application/json", body);
    let tool = |body: Value| raw(Method::PUT, "/api/v1/servers/weather/tools/greet", "application/json", &body.to_string());

    let told = told(
        &customer,
        vec![
            server("[]"),
            server(r#"{"slug": 7, "title": "A"}"#),
            server(r#"{"slug": "abc"}"#),
            server(r#"{"slug": "abc", "title": "A", "owner": "me"}"#),
            server(r#"{"slug": "abc", "title": "A", "slug": "abd"}"#),
            tool(json!({ "language": "python", "source": GREET })),
            tool(json!({ "language": "typescript", "source": GREET, "grants": { "hosts": [{ "host": "a.test", "port": 0 }] } })),
            tool(json!({ "language": "typescript", "source": GREET, "grants": { "hosts": [{ "host": "127.0.0.1" }] } })),
            tool(json!({ "language": "typescript", "source": GREET, "grants": { "files": [] } })),
            raw(Method::POST, "/api/v1/servers/weather/releases", "application/json", r#"{"tools": {"greet": 1}}"#),
            raw(Method::POST, "/api/v1/servers/weather/rollback", "application/json", r#"{"release_id": "newest"}"#),
        ],
    )
    .await;

    assert_snapshot!(told, @r#"
    422 invalid the body is not right: it must be a JSON object
    422 invalid `slug` in the body is not right: invalid type: integer `7`, expected a string at line 1 column 10
    422 invalid the body is not right: missing field `title` at line 1 column 15
    422 invalid `owner` in the body is not right: unknown field `owner`, expected one of `slug`, `title`, `description`, `access` at line 1 column 37
    422 invalid the body is not right: the key `slug` stands twice at line 1 column 36
    422 invalid `language` in the body is not right: unknown variant `python`, expected one of `typescript`, `javascript`, `component` at line 1 column 20
    422 invalid `grants.hosts[0].port` in the body is not right: invalid value: integer `0`, expected a nonzero u16 at line 1 column 45
    422 invalid `grants.hosts[0].host` in the body is not right: `127.0.0.1` is not a valid host: it must be a lower-case host name of at least two labels such as api.example.com, or *. before one; no scheme, port, path or IP address at line 1 column 40
    422 invalid `grants.files` in the body is not right: unknown field `files`, expected one of `hosts`, `env`, `secrets`, `from_caller`, `modules` at line 1 column 18
    422 invalid `tools.greet` in the body is not right: invalid type: integer `1`, expected a string at line 1 column 21
    422 invalid `release_id` in the body is not right: `newest` is not a valid id: it must be a UUID as it was given out at line 1 column 24
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn names_that_are_none(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let long = "a".repeat(64);
    let bodies = ["../etc", "a/b", "a\u{0}b", "a\u{1b}[31mb", "ab", "Weather", "-abc", &long]
        .map(|slug| raw(Method::POST, "/api/v1/servers", "application/json", &json!({ "slug": slug, "title": "A" }).to_string()));
    let titles = ["", " padded", "two\nlines", "pay\u{202e}load"].map(|title| {
        raw(Method::POST, "/api/v1/servers", "application/json", &json!({ "slug": "abc", "title": title }).to_string())
    });

    assert_snapshot!(told(&customer, bodies.into()).await, @r#"
    422 invalid `slug` in the body is not right: `../etc` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit at line 1 column 16
    422 invalid `slug` in the body is not right: `a/b` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit at line 1 column 13
    422 invalid `slug` in the body is not right: `a\0b` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit at line 1 column 18
    422 invalid `slug` in the body is not right: `a\u{1b}[31mb` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit at line 1 column 22
    422 invalid `slug` in the body is not right: `ab` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit at line 1 column 12
    422 invalid `slug` in the body is not right: `Weather` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit at line 1 column 17
    422 invalid `slug` in the body is not right: `-abc` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit at line 1 column 14
    422 invalid `slug` in the body is not right: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit at line 1 column 74
    "#);
    assert_snapshot!(told(&customer, titles.into()).await, @r#"
    422 invalid `title` in the body is not right: `` is not a valid server title: it must be 1 to 120 characters on one line, without spaces at its ends at line 1 column 25
    422 invalid `title` in the body is not right: ` padded` is not a valid server title: it must be 1 to 120 characters on one line, without spaces at its ends at line 1 column 32
    422 invalid `title` in the body is not right: `two\nlines` is not a valid server title: it must be 1 to 120 characters on one line, without spaces at its ends at line 1 column 35
    422 invalid `title` in the body is not right: `pay\u{202e}load` is not a valid server title: it must be 1 to 120 characters on one line, without spaces at its ends at line 1 column 35
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn names_in_a_path_that_are_none(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let long = format!("/api/v1/servers/weather/tools/{}", "a".repeat(49));
    let paths = [
        "/api/v1/servers/..",
        "/api/v1/servers/a%2Fb",
        "/api/v1/servers/..%2F..%2Fetc",
        "/api/v1/servers/a%00b",
        "/api/v1/servers/a%ff",
        "/api/v1/servers/Weather",
        &long,
        "/api/v1/servers/weather/env/units",
        "/api/v1/servers/weather/releases/newest",
        "/api/v1/executions/1",
    ];

    let told = told(&customer, paths.map(|path| Request::get(path).body(Body::empty()).unwrap()).into()).await;

    assert_snapshot!(told, @r#"
    422 invalid the path is not right: `..` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit
    422 invalid the path is not right: `a/b` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit
    422 invalid the path is not right: `../../etc` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit
    422 invalid the path is not right: `a\0b` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit
    422 invalid `slug` in the path is not UTF-8
    422 invalid the path is not right: `Weather` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit
    422 invalid the path is not right: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is not a valid tool name: it must be 1 to 48 of A-Z, a-z, 0-9, _ and -
    422 invalid the path is not right: `units` is not a valid environment name: it must be 1 to 64 of A-Z, 0-9 and _, beginning with a letter
    422 invalid the path is not right: `newest` is not a valid id: it must be a UUID as it was given out
    422 invalid the path is not right: `1` is not a valid id: it must be a UUID as it was given out
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn queries_that_are_not_right(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let paths = [
        "/api/v1/servers?limit=0",
        "/api/v1/servers?limit=101",
        "/api/v1/servers?limit=many",
        "/api/v1/servers?limit=1&limit=2",
        "/api/v1/servers?page=2",
        "/api/v1/servers?cursor=..",
        "/api/v1/executions?cursor=first",
        "/api/v1/executions?status=finished",
        "/api/v1/executions?server=..",
    ];

    let told = told(&customer, paths.map(|path| Request::get(path).body(Body::empty()).unwrap()).into()).await;

    assert_snapshot!(told, @r#"
    422 invalid `limit` must be 1 to 100, not 0
    422 invalid `limit` must be 1 to 100, not 101
    422 invalid the query is not right: limit: it must be a whole number
    422 invalid the query is not right: duplicate field `limit`
    422 invalid the query is not right: page: unknown field `page`, expected `cursor` or `limit`
    422 invalid `cursor` must be the `next_cursor` of an earlier page
    422 invalid `cursor` must be the `next_cursor` of an earlier page
    422 invalid the query is not right: status: unknown variant `finished`, expected one of `running`, `waiting`, `success`, `tool_error`, `invalid_arguments`, `invalid_result`, `limit_exceeded`, `trap`, `cancelled`, `interrupted`
    422 invalid the query is not right: server: `..` is not a valid server slug: it must be 3 to 63 of a-z, 0-9 and -, beginning and ending with a letter or a digit
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn more_than_is_read(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let tool = |source: String| {
        let body = json!({ "language": "typescript", "source": source }).to_string();
        raw(Method::PUT, "/api/v1/servers/weather/tools/greet", "application/json", &body)
    };
    let chunks = (0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
    let chunked = Request::put("/api/v1/servers/weather/tools/greet")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from_stream(futures_util::stream::iter(chunks)))
        .unwrap();
    let value = json!({ "value": "v".repeat(8193) }).to_string();
    let deep = format!("{{\"arguments\": {}}}", "[".repeat(10_000));

    let told = told(
        &customer,
        vec![
            tool("a".repeat(10_000_000)),
            tool("a".repeat(1024 * 1024 + 1)),
            chunked,
            raw(Method::PUT, "/api/v1/servers/weather/env/UNITS", "application/json", &value),
            raw(Method::POST, "/api/v1/servers/weather/tools/greet/try", "application/json", &deep),
        ],
    )
    .await;

    assert_snapshot!(told, @r#"
    413 too_large the body is larger than the 2097152 bytes that are read
    422 invalid `source` has 1048577 bytes: 1048576 are allowed
    413 too_large the body is larger than the 2097152 bytes that are read
    422 invalid `value` in the body is not right: `vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv` is not a valid environment value: it must be 0 to 8192 characters without control characters other than tab and line feed
    400 unreadable the body is not JSON: recursion limit exceeded at line 1 column 141
    "#);
}

fn raw(method: Method, path: &str, media_type: &str, body: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, media_type);
    request.body(Body::from(body.to_owned())).unwrap()
}

/// What each request was told, a line each, once it is sure that none of them changed anything.
async fn told(customer: &Client, requests: Vec<Request<Body>>) -> String {
    let before = everything(customer).await;
    let mut lines = Vec::new();
    for request in requests {
        let answer = customer.send_request(request).await;
        let body = answer.json();
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["details", "error_code", "message", "request_id"], "{answer}");
        assert!(answer.text.len() < 2_000, "{} bytes", answer.text.len());
        let status = answer.status.as_u16();
        lines.push(format!("{status} {} {}", body["error_code"].as_str().unwrap(), body["message"].as_str().unwrap()));
    }
    assert_eq!(everything(customer).await, before);
    lines.join("\n")
}

async fn everything(customer: &Client) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["/servers", "/servers/weather/tools", "/servers/weather/env", "/servers/weather/releases", "/executions"] {
        all.push(customer.get(&format!("/api/v1{path}")).await.json());
    }
    all
}
