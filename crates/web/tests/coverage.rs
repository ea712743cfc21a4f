//! Every operation of the OpenAPI document, tried by whoever may not: a new operation is covered the moment it is documented.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::client::{Answer, Client, Doors, GREET};

/// An operation that needs a key.
struct Operation {
    method: Method,
    /// The path with its parameters in braces.
    path: String,
    /// `admin_key`, `api_key` or `sign_in`.
    scheme: String,
}

#[sqlx::test(migrations = "../../migrations")]
async fn nobody_gets_in_without_a_key(pool: PgPool) {
    let doors = Doors::open(pool).await;

    for operation in operations() {
        let anonymous = send(&doors.anyone(), &operation, &Names::missing()).await;
        let wrong = send(&doors.with_key("tw_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), &operation, &Names::missing()).await;

        for answer in [anonymous, wrong] {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{operation}: {answer}");
            assert_eq!(answer.json()["error_code"], "unauthenticated", "{operation}");
            let challenge = answer.header("www-authenticate");
            assert!(challenge.starts_with("Bearer"), "{operation}");
            let metadata = "resource_metadata=\"http://127.0.0.1:8080/.well-known/oauth-protected-resource/api/v1\"";
            assert_eq!(challenge.contains(metadata), operation.path.starts_with("/api/v1"), "{operation}: {challenge}");
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_key_opens_one_door_only(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let customer = doors.customer("free").await;

    for operation in operations() {
        let caller = if operation.scheme == "admin_key" { &customer } else { &doors.admin() };
        let answer = send(caller, &operation, &Names::missing()).await;

        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{operation}: {answer}");
        assert_eq!(answer.json()["error_code"], "forbidden", "{operation}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_customers_things_answer_exactly_as_missing_ones(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let owner = doors.customer_with_server().await;
    let names = Names::of_everything(&owner).await;
    let other = doors.customer("free").await;
    let before = everything(&owner).await;

    for operation in operations().into_iter().filter(|operation| operation.scheme == "api_key") {
        let theirs = send(&other, &operation, &names).await;
        let missing = send(&other, &operation, &Names::missing()).await;

        if operation.path.contains('{') {
            assert_eq!(theirs.status, StatusCode::NOT_FOUND, "{operation}: {theirs}");
        }
        if operation.method != Method::POST || operation.path.contains('{') {
            assert_eq!(names.hide(&theirs), Names::missing().hide(&missing), "{operation}");
        }
    }
    assert_eq!(everything(&owner).await, before);
}

/// What the parameters of a path stand for.
struct Names {
    slug: String,
    tool: String,
    env: String,
    version_id: String,
    release_id: String,
    call_id: String,
    client_id: String,
}

impl Names {
    fn missing() -> Self {
        let id = "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10".to_owned();
        Self {
            slug: "nowhere".into(),
            tool: "nothing".into(),
            env: "NAUGHT".into(),
            version_id: id.clone(),
            release_id: id.clone(),
            call_id: id.clone(),
            client_id: id,
        }
    }

    /// One of each thing that a customer can have, on its server `weather`.
    async fn of_everything(owner: &Client) -> Self {
        let version_id = owner.put_greet().await;
        owner.put("/api/v1/servers/weather/env/UNITS", json!({ "value": "metric" })).await;
        let release = owner.post("/api/v1/servers/weather/releases", json!({})).await.json();
        let tried = owner.post("/api/v1/servers/weather/tools/greet/try", json!({ "arguments": { "name": "Ada" } })).await.json();
        let client = owner.post("/api/v1/clients", json!({ "name": "Nightly", "server": "weather" })).await.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            slug: "weather".into(),
            tool: "greet".into(),
            env: "UNITS".into(),
            version_id,
            release_id: text(&release["release_id"]),
            call_id: text(&tried["call_id"]),
            client_id: text(&client["client_id"]),
        }
    }

    fn fill(&self, path: &str) -> String {
        let id = &self.call_id;
        let name = if path.contains("/env/") { &self.env } else { &self.tool };
        [
            ("{slug}", &self.slug),
            ("{name}", name),
            ("{version_id}", &self.version_id),
            ("{release_id}", &self.release_id),
            ("{call_id}", id),
            ("{client_id}", &self.client_id),
            ("{customer_id}", id),
            ("{api_key_id}", id),
            ("{user_id}", id),
            ("{invitation_id}", id),
            ("{sign_in_id}", id),
            ("{consent_id}", id),
            ("{access_id}", &self.client_id),
            ("{passkey_id}", id),
            ("{tier}", &"free".to_owned()),
            ("{host}", &"api.example.com".to_owned()),
        ]
        .into_iter()
        .fold(path.to_owned(), |path, (parameter, value)| path.replace(parameter, value))
    }

    /// Status and body without the names that were asked for, the request's own id and the moment: the rest must not tell.
    fn hide(&self, answer: &Answer) -> String {
        let mut body = answer.json();
        body.as_object_mut().unwrap().retain(|member, _| !["request_id", "since", "until"].contains(&member.as_str()));
        let shown = format!("{} {body}", answer.status);
        [&self.slug, &self.tool, &self.env, &self.version_id, &self.release_id, &self.call_id, &self.client_id]
            .into_iter()
            .fold(shown, |shown, name| shown.replace(&format!("`{name}`"), "`…`"))
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.method, self.path)
    }
}

/// Every operation that needs a key.
fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(web::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(scheme) = operation["security"][0].as_object().and_then(|scheme| scheme.keys().next()) else { continue };
            let method = method.to_uppercase().parse().unwrap();
            operations.push(Operation { method, path: path.clone(), scheme: scheme.clone() });
        }
    }
    assert!(operations.len() >= 30, "only {} operations need a key", operations.len());
    operations
}

async fn send(caller: &Client, operation: &Operation, names: &Names) -> Answer {
    if (operation.method.as_str(), operation.path.as_str()) == ("PUT", "/api/v1/servers/{slug}/tools") {
        let request = Request::put(names.fill(&operation.path)).header(header::CONTENT_TYPE, "application/wasm");
        return caller.send_request(request.body(Body::from("no component")).unwrap()).await;
    }
    let body = (operation.method != Method::GET && operation.method != Method::DELETE).then(|| body(operation, names));
    caller.send(operation.method.clone(), &names.fill(&operation.path), body).await
}

/// A body that would be right, were the caller.
fn body(operation: &Operation, names: &Names) -> Value {
    match (operation.method.as_str(), operation.path.as_str()) {
        ("POST", "/admin/v1/customers") => json!({ "name": "Example Ltd", "tier": "free" }),
        ("PATCH", "/admin/v1/customers/{customer_id}") => json!({ "tier": "free" }),
        ("POST", "/admin/v1/customers/{customer_id}/api-keys") => json!({ "name": "laptop" }),
        ("POST", "/api/v1/servers/{slug}/pins" | "/api/v1/servers/{slug}/pins/{name}") => json!({ "digest": "0".repeat(64) }),
        ("POST", "/api/v1/account/consents/{consent_id}/pins" | "/api/v1/account/consents/{consent_id}/pins/{name}") => {
            json!({ "digest": "0".repeat(64) })
        }
        ("PATCH", "/admin/v1/customers/{customer_id}/api-keys/{api_key_id}" | "/api/v1/account/consents/{consent_id}") => {
            json!({ "pins_definitions": true })
        }
        ("PUT", "/admin/v1/tiers/{tier}") => json!({ "limits": {} }),
        ("PUT", "/admin/v1/breakers/{host}") => json!({ "state": "open" }),
        ("POST", "/admin/v1/customers/{customer_id}/invitations" | "/api/v1/invitations") => {
            json!({ "role": "viewer" })
        }
        ("PATCH", "/admin/v1/users/{user_id}") => json!({ "disabled": true }),
        ("PATCH", "/api/v1/members/{user_id}") => json!({ "role": "viewer" }),
        ("PATCH", "/api/v1/account/passkeys/{passkey_id}") => json!({ "name": "Desk" }),
        ("POST", "/api/v1/account/password") => json!({ "current_password": "a", "new_password": "b" }),
        ("POST", "/api/v1/servers") => json!({ "slug": "mine", "title": "Mine" }),
        ("PATCH", "/api/v1/servers/{slug}") => json!({ "keep_contents": "all" }),
        ("POST", "/api/v1/clients") => json!({ "name": "Nightly", "role": "viewer" }),
        ("PUT", "/api/v1/servers/{slug}/tools/{name}") => json!({ "language": "typescript", "source": GREET }),
        ("POST", "/api/v1/servers/{slug}/tools/{name}/try") => json!({ "arguments": { "name": "Eve" } }),
        ("PUT", "/api/v1/servers/{slug}/env/{name}") => json!({ "value": "imperial" }),
        ("POST", "/api/v1/servers/{slug}/releases") => json!({ "tools": {} }),
        ("POST", "/api/v1/servers/{slug}/rollback") => json!({ "release_id": names.release_id }),
        _ => panic!("write down a body for {operation}"),
    }
}

/// All that the owner can see, to tell whether something changed.
async fn everything(owner: &Client) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["/servers", "/clients", "/servers/weather/tools", "/servers/weather/env", "/servers/weather/releases"] {
        all.push(owner.get(&format!("/api/v1{path}")).await.json());
    }
    all
}
