//! What the tests send and how they show what comes back.

use std::{fmt, sync::Arc, time::Duration};

use crate::accounts::browser::Browser;
use axum::{Router, body::Body};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{TestApp, TestOptions};
use tower::ServiceExt;
use web::{CookieForm, MetricsReaders, WebSettings};

/// A tool that greets, in the source that most tests put.
pub(crate) const GREET: &str = r#"
import { tool } from "toolwright";
export default tool({
  name: "greet", title: "Greeting", description: "Greets somebody by name.",
  input: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
  run({ name }) {
    console.log(`greeting ${name}`);
    return { text: `Hello, ${name}!` };
  },
});
"#;

/// Words of what is inside: of the database, of the code, of the machine.
const INNER: [&str; 19] = [
    "sqlx",
    "postgres",
    "select ",
    "insert ",
    "pool",
    "panicked",
    ".rs:",
    "/root",
    "/home",
    "/tmp",
    "/var",
    "tokio",
    "hyper",
    "axum",
    "serde",
    "wasmtime",
    "rustc",
    "alloc::",
    "stack backtrace",
];

/// The doors of a test's own application.
pub(crate) struct Doors {
    router: Router,
    app: TestApp,
}

/// Somebody at the doors, with a key or without one.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    key: Option<String>,
    /// The application lives as long as somebody is at its doors.
    _app: TestApp,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Doors {
    pub(crate) async fn open(pool: PgPool) -> Self {
        Self::open_with(&pool, TestOptions::default()).await
    }

    pub(crate) async fn open_with(pool: &PgPool, options: TestOptions) -> Self {
        Self::open_changed(pool, options, |_| {}).await
    }

    /// The doors of an application with these options, opened with what `change` does to the usual settings.
    pub(crate) async fn open_changed(pool: &PgPool, options: TestOptions, change: impl FnOnce(&mut WebSettings)) -> Self {
        let public_url = options.public_url.parse().unwrap();
        let app = TestApp::start_with(pool, options).await;
        let mut settings = WebSettings {
            public_url,
            metrics: MetricsReaders::Admin,
            types: testkit::TYPES,
            version: "0.0.0-test",
            hosts: Vec::new(),
            origins: Vec::new(),
            cookies: CookieForm::Plain,
            trusted_proxies: Vec::new(),
            body_wait: Duration::from_secs(30),
        };
        change(&mut settings);
        Self { router: web::router(Arc::clone(app.app()), settings), app }
    }

    /// The application itself.
    pub(crate) fn app(&self) -> &Arc<app::App> {
        self.app.app()
    }

    /// A browser that nobody has signed in with yet.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.client(None))
    }

    pub(crate) fn anyone(&self) -> Client {
        self.client(None)
    }

    pub(crate) fn admin(&self) -> Client {
        self.with_key(self.app.admin_key())
    }

    pub(crate) fn with_key(&self, key: &str) -> Client {
        self.client(Some(key.to_owned()))
    }

    fn client(&self, key: Option<String>) -> Client {
        Client { router: self.router.clone(), key, _app: self.app.clone() }
    }

    /// Takes the database away from the application.
    pub(crate) async fn lose_database(&self) {
        self.app.lose_database().await;
    }

    /// A new customer of `tier`, with a key.
    pub(crate) async fn customer(&self, tier: &str) -> Client {
        let customer = self.admin().post("/admin/v1/customers", json!({ "name": "Example Ltd", "tier": tier })).await.json();
        let keys = format!("/admin/v1/customers/{}/api-keys", customer["customer_id"].as_str().unwrap());
        let key = self.admin().post(&keys, json!({ "name": "test" })).await.json();
        self.with_key(key["api_key"].as_str().unwrap())
    }

    /// Another key of the only customer that there is.
    pub(crate) async fn another_key(&self) -> Client {
        let customers = self.admin().get("/admin/v1/customers").await.json();
        let [customer] = customers["items"].as_array().unwrap().as_slice() else { panic!("not one customer: {customers}") };
        let keys = format!("/admin/v1/customers/{}/api-keys", customer["customer_id"].as_str().unwrap());
        let key = self.admin().post(&keys, json!({ "name": "another" })).await.json();
        self.with_key(key["api_key"].as_str().unwrap())
    }

    /// The application with what it stands on.
    pub(crate) const fn test_app(&self) -> &TestApp {
        &self.app
    }

    /// A new customer of tier `free` that has a server `weather`.
    pub(crate) async fn customer_with_server(&self) -> Client {
        let customer = self.customer("free").await;
        let server = json!({ "slug": "weather", "title": "Weather", "description": "Forecasts." });
        assert_eq!(customer.post("/api/v1/servers", server).await.status, StatusCode::CREATED);
        customer
    }
}

impl Client {
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Puts [`GREET`] on the server `weather`; gives the id of the version.
    pub(crate) async fn put_greet(&self) -> String {
        let built = self.put("/api/v1/servers/weather/tools/greet", json!({ "language": "typescript", "source": GREET })).await;
        assert_eq!(built.status, StatusCode::CREATED, "{built}");
        built.json()["version_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder().method(method).uri(path);
        self.send_request(match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap(),
            None => request.body(Body::empty()).unwrap(),
        })
        .await
    }

    pub(crate) async fn send_request(&self, request: Request<Body>) -> Answer {
        Answer::read(self.open(request).await).await
    }

    /// A request to which nothing is added, neither a key nor a name.
    pub(crate) async fn send_bare(&self, request: Request<Body>) -> Answer {
        Answer::read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// The answer as soon as it begins; its body may be a stream.
    pub(crate) async fn open(&self, mut request: Request<Body>) -> Response<Body> {
        if let Some(key) = &self.key {
            request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap());
        }
        request.headers_mut().entry(header::HOST).or_insert(HeaderValue::from_static("127.0.0.1:8080"));
        self.router.clone().oneshot(request).await.unwrap()
    }
}

impl Answer {
    async fn read(answer: Response<Body>) -> Self {
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON but {}: {}", self.status, self.text))
    }

    /// Refuses an answer with a word of what is inside.
    pub(crate) fn assert_tells_nothing_inner(&self, what: &str) {
        let text = self.text.to_lowercase();
        for word in INNER {
            assert!(!text.contains(word), "{what}: `{word}` in {self}");
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// Status and body, with what differs from run to run named instead of shown.
impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.status)?;
        match serde_json::from_str::<Value>(&self.text) {
            Ok(mut body) => {
                redact("", &mut body);
                write!(out, "\n{body:#}")
            }
            Err(_) if self.text.is_empty() => Ok(()),
            Err(_) => write!(out, "\n{}", self.text),
        }
    }
}

fn redact(name: &str, value: &mut Value) {
    match value {
        Value::Object(members) => members.iter_mut().for_each(|(name, inner)| redact(name, inner)),
        Value::Array(items) => items.iter_mut().for_each(|inner| redact(name, inner)),
        Value::String(text) => *text = redact_text(name, text),
        Value::Number(_)
            if matches!(name, "build_ms" | "at_ms" | "fuel" | "memory_bytes_peak" | "wall_us" | "cpu_us" | "queue_us") =>
        {
            *value = json!("[number]");
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn redact_text(name: &str, text: &str) -> String {
    match name {
        "api_key" => return "[key]".to_owned(),
        "digest" => return "[digest]".to_owned(),
        _ if name.ends_with("_at") || matches!(name, "since" | "until") => return "[time]".to_owned(),
        _ => {}
    }
    let mut shown = text.to_owned();
    while let Some(start) = (0..shown.len()).find(|start| shown.get(*start..start + 36).is_some_and(is_id)) {
        shown.replace_range(start..start + 36, "[id]");
    }
    shown
}

fn is_id(text: &str) -> bool {
    text.bytes().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}
