//! A fault of each kind at each door: told in the form of that door, under the id of the request, and with nothing of what is inside.

use std::time::Duration;

use axum::body::Body;
use futures_util::stream;
use http::{HeaderValue, Method, Request, StatusCode, header};
use sqlx::PgPool;
use testkit::TestOptions;

use crate::{
    accounts::browser::csrf,
    client::{Answer, Client, Doors},
};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const HOST: &str = "127.0.0.1:8080";

/// What an answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Envelope,
    Page,
    Oauth,
    JsonRpc,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Customer,
    Admin,
    /// A browser that has loaded the page of the form.
    Browser,
    Anyone,
}

/// A route that stands for its door.
#[derive(Debug, Clone, Copy)]
struct Door {
    method: &'static str,
    path: &'static str,
    whom: Whom,
    form: Form,
    /// What its body is declared as; empty if it has none.
    takes: &'static str,
}

const fn door(method: &'static str, path: &'static str, whom: Whom, form: Form, takes: &'static str) -> Door {
    Door { method, path, whom, form, takes }
}

const DOORS: [Door; 20] = [
    door("POST", "/mcp/weather", Whom::Customer, Form::JsonRpc, JSON),
    door("POST", "/api/v1/servers", Whom::Customer, Form::Envelope, JSON),
    door("POST", "/admin/v1/customers", Whom::Admin, Form::Envelope, JSON),
    door("POST", "/oauth/token", Whom::Anyone, Form::Oauth, FORM),
    door("POST", "/oauth/revoke", Whom::Anyone, Form::Oauth, FORM),
    door("POST", "/oauth/introspect", Whom::Anyone, Form::Oauth, FORM),
    door("POST", "/oauth/device_authorization", Whom::Anyone, Form::Oauth, FORM),
    door("POST", "/oauth/register", Whom::Anyone, Form::Oauth, JSON),
    door("POST", "/oauth/authorize", Whom::Browser, Form::Page, FORM),
    door("POST", "/oauth/consent", Whom::Browser, Form::Page, FORM),
    door("POST", "/device", Whom::Browser, Form::Page, ""),
    door("POST", "/sign-in", Whom::Browser, Form::Page, FORM),
    door("POST", "/sign-up", Whom::Browser, Form::Page, FORM),
    door("POST", "/sign-in/passkey/options", Whom::Browser, Form::Envelope, FORM),
    door("GET", "/.well-known/oauth-authorization-server", Whom::Anyone, Form::Oauth, ""),
    door("GET", "/oauth/jwks", Whom::Anyone, Form::Oauth, ""),
    door("GET", "/", Whom::Anyone, Form::Envelope, ""),
    door("GET", "/assets/style.css", Whom::Anyone, Form::Envelope, ""),
    door("GET", "/health/ready", Whom::Anyone, Form::Envelope, ""),
    door("GET", "/metrics", Whom::Admin, Form::Envelope, ""),
];

/// The doors, and who stands before them.
struct World {
    doors: Doors,
    customer: Client,
    cookie: HeaderValue,
    csrf: String,
}

impl World {
    async fn open(pool: &PgPool) -> Self {
        let doors = Doors::open_changed(pool, TestOptions::default(), |settings| {
            settings.body_wait = Duration::from_millis(200);
        })
        .await;
        let customer = doors.customer_with_server().await;
        let page = doors.anyone().get("/sign-in").await;
        let cookie = page.header("set-cookie").split(';').next().unwrap().parse().unwrap();
        Self { doors, customer, cookie, csrf: csrf(&page) }
    }

    /// The beginning of a request to a door, with all that it wants but a body.
    fn request(&self, door: Door) -> http::request::Builder {
        let request = Request::builder().method(door.method).uri(door.path).header(header::HOST, HOST);
        let request = match door.whom {
            Whom::Customer => request.header(header::AUTHORIZATION, format!("Bearer {}", self.customer.key().unwrap())),
            Whom::Admin => request.header(header::AUTHORIZATION, format!("Bearer {}", self.doors.admin().key().unwrap())),
            Whom::Browser => request.header(header::COOKIE, &self.cookie),
            Whom::Anyone => request,
        };
        if door.takes.is_empty() { request } else { request.header(header::CONTENT_TYPE, door.takes) }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        self.doors.anyone().send_bare(request).await
    }
}

/// That an answer says what went wrong as its door does.
fn assert_form(answer: &Answer, form: Form, what: &str) {
    answer.assert_tells_nothing_inner(what);
    let id = answer.header("x-request-id");
    assert_eq!(id.len(), 36, "{what}: {answer}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}: {answer}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(answer.header("x-frame-options"), "DENY", "{what}");
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{what}");
    assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{what}");
    let media_type = if form == Form::Page { "text/html" } else { JSON };
    assert!(answer.header("content-type").starts_with(media_type), "{what}: {answer}");
    match form {
        Form::Envelope => {
            let body = answer.json();
            assert!(body["error_code"].is_string() && body["details"].is_object(), "{what}: {answer}");
            assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {answer}");
            assert_eq!(body["request_id"], id, "{what}");
        }
        Form::Oauth => {
            let body = answer.json();
            assert!(body["error"].is_string() && body["error_description"].is_string(), "{what}: {answer}");
            assert_eq!(answer.header("access-control-allow-origin"), "*", "{what}");
        }
        Form::JsonRpc => {
            let body = answer.json();
            assert_eq!(body["jsonrpc"], "2.0", "{what}: {answer}");
            assert!(body["error"]["code"].is_i64() && body["error"]["message"].is_string(), "{what}: {answer}");
        }
        Form::Page => {
            assert!(answer.text.contains("<title>") && !answer.text.contains("<script"), "{what}: {answer}");
            assert_eq!(answer.header("referrer-policy"), "same-origin", "{what}");
        }
    }
}

/// That a door refuses, with this status and in its form.
fn assert_refused(answer: &Answer, door: Door, status: u16, fault: &str) {
    let what = format!("{fault}: {} {}", door.method, door.path);
    assert_eq!(answer.status.as_u16(), status, "{what}: {answer}");
    assert_form(answer, door.form, &what);
}

fn with_body() -> impl Iterator<Item = Door> {
    DOORS.into_iter().filter(|door| !door.takes.is_empty())
}

#[sqlx::test(migrations = "../../migrations")]
async fn bodies_that_no_door_takes(pool: PgPool) {
    let world = World::open(&pool).await;

    for door in with_body() {
        let other = Request::from_parts(world.request(door).body(()).unwrap().into_parts().0, Body::from("x"));
        let (mut parts, body) = other.into_parts();
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert_refused(&world.send(Request::from_parts(parts, body)).await, door, 415, "another media type");

        let packed = world.request(door).header(header::CONTENT_ENCODING, "gzip").body(Body::from("x")).unwrap();
        assert_refused(&world.send(packed).await, door, 415, "packed");

        let declared = world.request(door).header(header::CONTENT_LENGTH, "100000000").body(Body::from("x")).unwrap();
        assert_refused(&world.send(declared).await, door, 413, "says that it is too large");

        let chunks = stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 65_536])));
        let large = world.request(door).body(Body::from_stream(chunks)).unwrap();
        assert_refused(&world.send(large).await, door, 413, "is too large");

        let slow = world.request(door).body(Body::from_stream(stream::pending::<std::io::Result<Vec<u8>>>())).unwrap();
        assert_refused(&world.send(slow).await, door, 408, "never comes");

        let broken = stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("gone"))]);
        let broken = world.request(door).body(Body::from_stream(broken)).unwrap();
        assert_refused(&world.send(broken).await, door, 400, "breaks off");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn bodies_that_nobody_can_read(pool: PgPool) {
    let world = World::open(&pool).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let texts: [(&str, &[u8]); 5] = [
        ("nothing", b""),
        ("half an object", b"{\"a\":"),
        ("no text", b"{\"a\": \"\xff\xfe\"}"),
        ("too deep", deep.as_bytes()),
        ("a key twice", b"{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"),
    ];

    for door in with_body() {
        for (fault, body) in texts {
            let request = world.request(door).body(Body::from(body.to_vec())).unwrap();
            let answer = world.send(request).await;

            // A form with nothing in it is one of which something is missing, and says who asks before all else.
            assert!(answer.status.is_client_error(), "{fault}: {}: {answer}", door.path);
            if door.takes == JSON {
                assert!(matches!(answer.status.as_u16(), 400 | 422), "{fault}: {}: {answer}", door.path);
            }
            assert_form(&answer, door.form, &format!("{fault}: {}", door.path));
        }
        let sent = world.request(door).body(Body::from(format!("csrf={}&%ff=%zz", world.csrf))).unwrap();
        let answer = world.send(sent).await;
        // The one that needs nothing but a page of ours that asks does not look at what stands beside it.
        if door.path != "/sign-in/passkey/options" {
            assert!(answer.status.is_client_error(), "{}: {answer}", door.path);
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn methods_that_are_not_there(pool: PgPool) {
    let world = World::open(&pool).await;

    for door in DOORS {
        for method in ["BREW", "TRACE", "PROPFIND"] {
            let mut request = world.request(door).body(Body::empty()).unwrap();
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = world.send(request).await;

            assert_refused(&answer, door, 405, method);
            assert!(answer.header("allow").contains(door.method), "{method} {}: {:?}", door.path, answer.header("allow"));
        }
        let mut request = world.request(door).body(Body::empty()).unwrap();
        *request.method_mut() = Method::OPTIONS;
        let asked = world.send(request).await;
        assert_eq!(asked.status, StatusCode::NO_CONTENT, "{}: {asked}", door.path);
        assert!(asked.header("allow").contains(door.method), "{}: {:?}", door.path, asked.header("allow"));
        assert_eq!(asked.header("access-control-allow-credentials"), "");

        let mut request = world.request(door).body(Body::empty()).unwrap();
        *request.method_mut() = Method::HEAD;
        let head = world.send(request).await;
        assert!(!head.status.is_server_error(), "{}: {head}", door.path);
        assert_eq!(head.header("x-request-id").len(), 36, "{}", door.path);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn paths_at_which_there_is_nothing(pool: PgPool) {
    let world = World::open(&pool).await;

    for (path, form) in [
        ("/mcp", Form::JsonRpc),
        ("/mcp/", Form::JsonRpc),
        ("/mcp/weather/more", Form::JsonRpc),
        ("/mcp/%zz", Form::JsonRpc),
        ("/mcp/%ff", Form::JsonRpc),
        ("/mcp/weather%00", Form::JsonRpc),
        ("/api/v1/nothing", Form::Envelope),
        ("/api/v2/servers", Form::Envelope),
        ("/admin/v1/nothing", Form::Envelope),
        ("/oauth/nothing", Form::Oauth),
        ("/oauth/%ff", Form::Oauth),
        ("/.well-known/nothing", Form::Oauth),
        ("/.well-known/oauth-protected-resource/%ff", Form::Oauth),
        ("/account/nothing", Form::Page),
        ("/sign-in/nothing", Form::Page),
        ("/sign-in/upstream/nothing", Form::Page),
        ("/device/nothing", Form::Page),
        ("/assets/nothing.css", Form::Envelope),
        ("/assets/%2e%2e/secret", Form::Envelope),
        ("/health/nothing", Form::Envelope),
        ("/metrics/nothing", Form::Envelope),
        ("/nothing", Form::Envelope),
        ("//mcp/weather", Form::Envelope),
    ] {
        let key = format!("Bearer {}", world.customer.key().unwrap());
        let request = Request::post(path).header(header::HOST, HOST).header(header::AUTHORIZATION, key);
        let answer = world.send(request.header(header::CONTENT_TYPE, JSON).body(Body::from("{}")).unwrap()).await;

        let is_there_for_others = path == "/sign-in/upstream/nothing" && answer.status == StatusCode::METHOD_NOT_ALLOWED;
        assert!(answer.status == StatusCode::NOT_FOUND || is_there_for_others, "{path}: {answer}");
        assert_form(&answer, form, path);
    }
    for path in ["/api/v1/servers/%zz", "/api/v1/servers/%ff", "/admin/v1/customers/%ff/api-keys", "/account/access/%ff"] {
        let mut request = Request::get(path).header(header::HOST, HOST);
        let whom = if path.starts_with("/admin") { world.doors.admin() } else { world.customer.clone() };
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", whom.key().unwrap()));
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        if path.starts_with("/account") {
            assert!(answer.status.is_redirection() || answer.status.is_client_error(), "{path}: {answer}");
        } else {
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {answer}");
            assert_form(&answer, Form::Envelope, path);
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn fields_of_the_head_that_cannot_be_right(pool: PgPool) {
    let world = World::open(&pool).await;

    for door in DOORS {
        let is_for_any_name = matches!(door.path, "/health/ready" | "/metrics");
        for (fault, hosts, status) in [
            ("no Host", [].as_slice(), 400),
            ("two Hosts", &[HOST, HOST], 400),
            ("an empty Host", &[""], 400),
            ("a foreign Host", &["evil.test"], 421),
        ] {
            let mut request = world.request(door).body(Body::empty()).unwrap();
            request.headers_mut().remove(header::HOST);
            for host in hosts {
                request.headers_mut().append(header::HOST, HeaderValue::from_static(host));
            }
            if !is_for_any_name {
                assert_refused(&world.send(request).await, door, status, fault);
            }
        }
        if door.form != Form::JsonRpc {
            let request = world.request(door).header("x-env-key", "s3cret").body(Body::empty()).unwrap();
            let answer = world.send(request).await;
            assert_refused(&answer, door, 422, "a secret that belongs elsewhere");
            assert!(!answer.text.contains("s3cret"), "{answer}");
        }
        for (fault, name, value) in [
            ("no ASCII in Authorization", "authorization", b"Bearer \xc3\x28\xff".as_slice()),
            ("no ASCII in Cookie", "cookie", b"toolwright=\xff\xfe; toolwright-form=\xff"),
            ("no ASCII in Accept", "accept", b"\xff/\xfe"),
            ("no ASCII in Content-Type", "content-type", b"application/\xff"),
            ("no ASCII in X-Request-Id", "x-request-id", b"\xff\xc2\x9b31m"),
            ("no ASCII in X-Forwarded-For", "x-forwarded-for", b"\xff"),
            ("no address in X-Forwarded-For", "x-forwarded-for", b"1.2.3.4.5,,;"),
            ("no ASCII in Origin", "origin", b"http://\xff"),
            ("no version in MCP-Protocol-Version", "mcp-protocol-version", b"\xff"),
        ] {
            let mut request = world.request(door).body(Body::from("{}")).unwrap();
            request.headers_mut().insert(name, HeaderValue::from_bytes(value).unwrap());
            let answer = world.send(request).await;
            assert!(!answer.status.is_server_error(), "{fault}: {}: {answer}", door.path);
            if answer.status.is_client_error() {
                assert_form(&answer, door.form, &format!("{fault}: {}", door.path));
            }
        }
        if matches!(door.whom, Whom::Customer | Whom::Admin) {
            let mut request = world.request(door).body(Body::from("{}")).unwrap();
            let given = request.headers()[header::AUTHORIZATION].clone();
            request.headers_mut().append(header::AUTHORIZATION, given);
            assert_refused(&world.send(request).await, door, 401, "two Authorizations");
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn queries_that_are_no_text(pool: PgPool) {
    let world = World::open(&pool).await;

    for door in DOORS {
        for query in ["%ff=%fe", "%zz", "=&=&&", "a=b;c=d", "limit=%00", "%E2%80%AE"] {
            let (mut parts, body) = world.request(door).body(Body::from("{}")).unwrap().into_parts();
            parts.uri = format!("{}?{query}", door.path).parse().unwrap();
            let answer = world.send(Request::from_parts(parts, body)).await;

            assert!(!answer.status.is_server_error(), "{query}: {}: {answer}", door.path);
            if answer.status.is_client_error() {
                assert_form(&answer, door.form, &format!("{query}: {}", door.path));
            }
        }
    }
    for query in ["limit=%ff", "%ff=1", "cursor=%00"] {
        let answer = world.customer.get(&format!("/api/v1/servers?{query}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {answer}");
        assert_form(&answer, Form::Envelope, query);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn without_the_database_each_door_says_when_to_come_back(pool: PgPool) {
    let world = World::open(&pool).await;
    let stranger = "tw_0123456789012345678901234567890123456789012";
    let client = "client_id=01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10";
    world.doors.lose_database().await;

    for (path, form, takes, key, body) in [
        ("/mcp/weather", Form::JsonRpc, JSON, stranger, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned()),
        ("/api/v1/servers", Form::Envelope, JSON, stranger, r#"{"slug":"abc","title":"A"}"#.to_owned()),
        (
            "/admin/v1/customers",
            Form::Envelope,
            JSON,
            world.doors.admin().key().unwrap(),
            r#"{"name":"A","tier":"free"}"#.to_owned(),
        ),
        ("/oauth/token", Form::Oauth, FORM, "", format!("grant_type=refresh_token&refresh_token=x&{client}")),
        (
            "/oauth/register",
            Form::Oauth,
            JSON,
            "",
            r#"{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none"}"#.to_owned(),
        ),
        ("/sign-in", Form::Page, FORM, "", format!("csrf={}&email=ada%40example.com&password=nothing+in+particular", world.csrf)),
    ] {
        let mut request = Request::post(path).header(header::HOST, HOST).header(header::CONTENT_TYPE, takes);
        if !key.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = request.header(header::COOKIE, &world.cookie).body(Body::from(body)).unwrap();
        let answer = world.send(request).await;

        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {answer}");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{path}");
        assert_form(&answer, form, path);
    }
    let ready = world.doors.anyone().get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_form(&ready, Form::Envelope, "/health/ready");
}
