//! Clients that act for a customer itself: made by REST, let in by `client_credentials` (RFC 6749, section 4.4).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::world::{CALLBACK, MANAGEMENT, SERVER, World, form};
use crate::client::{Answer, Client};

const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

/// A client that its customer made, with its secret.
struct Machine {
    client: Client,
    id: String,
    secret: String,
}

impl Machine {
    async fn made(world: &World, body: Value) -> Self {
        let made = world.owner.post("/api/v1/clients", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made}");
        let made = made.json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { client: world.doors.anyone(), id: text("client_id"), secret: text("client_secret") }
    }

    async fn ask(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let basic = BASE64_STANDARD.encode(format!("{}:{}", self.id, self.secret));
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Basic {basic}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.client.send_request(request.body(form(fields).into()).unwrap()).await
    }

    async fn token(&self) -> String {
        let answer = self.ask("/oauth/token", &[CREDENTIALS]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

fn for_server() -> Value {
    json!({ "name": "Nightly report", "server": "weather" })
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_6749_section_4_4_a_client_of_a_customer_uses_its_server(pool: PgPool) {
    let world = World::open(pool).await;
    let machine = Machine::made(&world, for_server()).await;

    let answer = machine.ask("/oauth/token", &[CREDENTIALS, ("resource", SERVER)]).await;
    let called = world.call(answer.json()["access_token"].as_str().unwrap()).await;

    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
    assert_eq!((&answer.json()["scope"], &answer.json()["refresh_token"]), (&json!("mcp:tools"), &Value::Null));
    assert_eq!(called.status, StatusCode::OK);
    assert!(called.text.contains("Hello, Ada!"), "{called}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_for_one_thing_is_for_nothing_else(pool: PgPool) {
    let world = World::open(pool).await;
    let machine = Machine::made(&world, for_server()).await;
    world.owner.post("/api/v1/servers", json!({ "slug": "other", "title": "Other" })).await;

    let elsewhere = machine.ask("/oauth/token", &[CREDENTIALS, ("resource", "http://127.0.0.1:8080/mcp/other")]).await;
    let managing = machine.ask("/oauth/token", &[CREDENTIALS, ("resource", MANAGEMENT)]).await;
    let wider = machine.ask("/oauth/token", &[CREDENTIALS, ("scope", "servers:read")]).await;
    let reading = world.doors.with_key(&machine.token().await).get("/api/v1/servers").await;

    for (refused, error) in [(elsewhere, "invalid_target"), (managing, "invalid_target"), (wider, "invalid_scope")] {
        assert_eq!((refused.status, refused.json()["error"].as_str()), (StatusCode::BAD_REQUEST, Some(error)));
    }
    assert_eq!(reading.status, StatusCode::UNAUTHORIZED, "{reading}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_for_the_management_does_what_its_role_and_its_scopes_allow_and_makes_no_others(pool: PgPool) {
    let world = World::open(pool).await;
    let scope = "servers:write executions:read";
    let editor = Machine::made(&world, json!({ "name": "Deploys", "role": "editor", "scope": scope })).await;
    let viewer = Machine::made(&world, json!({ "name": "Looks", "role": "viewer", "scope": scope })).await;
    let reader = Machine::made(&world, json!({ "name": "Reads", "role": "editor" })).await;
    let [editor, viewer, reader] =
        [editor.token().await, viewer.token().await, reader.token().await].map(|token| world.doors.with_key(&token));

    assert_eq!(editor.get("/api/v1/servers").await.json()["items"][0]["slug"], "weather");
    let server = json!({ "slug": "made-by-a-machine", "title": "Made" });
    assert_eq!(viewer.post("/api/v1/servers", server.clone()).await.status, StatusCode::FORBIDDEN);
    let narrow = reader.post("/api/v1/servers", server.clone()).await;
    assert_eq!(narrow.status, StatusCode::FORBIDDEN);
    let challenge = narrow.header("www-authenticate");
    assert!(challenge.contains("scope=\"servers:read servers:write"), "what it has, and what it lacks: {challenge}");
    assert!(challenge.contains("/.well-known/oauth-protected-resource/api/v1\""), "{challenge}");
    assert_eq!(editor.post("/api/v1/servers", server).await.status, StatusCode::CREATED);
    assert_eq!(editor.delete("/api/v1/servers/weather").await.status, StatusCode::FORBIDDEN, "that is for owners");
    assert_eq!(editor.post("/api/v1/clients", for_server()).await.status, StatusCode::FORBIDDEN, "no client makes clients");
    assert_eq!(editor.get("/api/v1/clients").await.status, StatusCode::FORBIDDEN);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_cannot_be_is_refused(pool: PgPool) {
    let world = World::open(pool).await;

    for (body, said) in [
        (json!({ "name": "x" }), "either a `server` or"),
        (json!({ "name": "x", "server": "weather", "role": "viewer" }), "either a `server` or"),
        (json!({ "name": "x", "role": "owner" }), "unknown variant `owner`"),
        (json!({ "name": "x", "role": "editor", "scope": "members:write" }), "members"),
        (json!({ "name": "x", "role": "editor", "scope": "mcp:tools" }), "`scope`"),
        (json!({ "name": "x", "server": "weather", "scope": "everything" }), "`scope`"),
        (json!({ "name": " ", "server": "weather" }), "`name`"),
        (json!({ "name": "x", "server": "weather", "jwks_uri": "http://keys.test" }), "jwks_uri"),
    ] {
        let refused = world.owner.post("/api/v1/clients", body.clone()).await;
        assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.text.contains(said), "{body}: {refused}");
    }
    let missing = world.owner.post("/api/v1/clients", json!({ "name": "x", "server": "nowhere" })).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_deleted_or_revoked_opens_nothing(pool: PgPool) {
    let world = World::open(pool).await;
    let machine = Machine::made(&world, for_server()).await;
    let first = machine.token().await;
    assert_eq!(world.call(&first).await.status, StatusCode::OK);

    machine.ask("/oauth/revoke", &[("token", &first)]).await;
    assert_eq!(world.call(&first).await.status, StatusCode::UNAUTHORIZED);
    let second = machine.token().await;
    assert_eq!(world.call(&second).await.status, StatusCode::OK);
    assert_eq!(world.call(&first).await.status, StatusCode::UNAUTHORIZED, "it does not come back with the next");
    let deleted = world.owner.delete(&format!("/api/v1/clients/{}", machine.id)).await;

    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(world.call(&second).await.status, StatusCode::UNAUTHORIZED);
    let refused = machine.ask("/oauth/token", &[CREDENTIALS]).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (StatusCode::UNAUTHORIZED, Some("invalid_client")));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_proves_itself_and_no_other_kind_of_client_acts_for_itself(pool: PgPool) {
    let world = World::open(pool).await;
    let machine = Machine::made(&world, for_server()).await;
    let wrong = Machine { secret: "guessed".to_owned(), client: machine.client.clone(), id: machine.id.clone() };
    let metadata = json!({ "redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "client_credentials"] });
    let registered = world.doors.anyone().post("/oauth/register", metadata).await.json();
    let text = |name: &str| registered[name].as_str().unwrap().to_owned();
    let registered = Machine { client: world.doors.anyone(), id: text("client_id"), secret: text("client_secret") };

    for (who, status, error) in
        [(wrong, StatusCode::UNAUTHORIZED, "invalid_client"), (registered, StatusCode::BAD_REQUEST, "unauthorized_client")]
    {
        let refused = who.ask("/oauth/token", &[CREDENTIALS]).await;
        assert_eq!((refused.status, refused.json()["error"].as_str()), (status, Some(error)), "{refused}");
    }
    let public =
        super::world::post_form(&machine.client, "/oauth/token", &form(&[CREDENTIALS, ("client_id", &machine.id)])).await;
    assert_eq!(public.json()["error"], "invalid_client");
}
