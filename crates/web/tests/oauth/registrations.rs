//! What clients registered, read, changed and deleted by the token that they got (RFC 7592).

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::world::{CALLBACK, World};
use crate::client::{Answer, Client, Doors};

struct Registered {
    client: Client,
    path: String,
    told: Value,
}

impl Registered {
    async fn of(doors: &Doors, method: &str) -> Self {
        let metadata = json!({ "client_name": "Before", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": method });
        let told = doors.anyone().post("/oauth/register", metadata).await.json();
        let client = doors.with_key(told["registration_access_token"].as_str().unwrap());
        let path = told["registration_client_uri"].as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap().to_owned();
        Self { client, path, told }
    }

    async fn put(&self, more: &Value) -> Answer {
        let mut body = json!({
            "client_id": self.told["client_id"], "client_name": "After", "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": self.told["token_endpoint_auth_method"],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.client.put(&self.path, body).await
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_7592_a_client_reads_changes_and_deletes_what_it_registered(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let client = Registered::of(&doors, "client_secret_basic").await;

    let read = client.client.get(&client.path).await;
    let changed = client.put(&json!({})).await;
    let read_again = client.client.get(&client.path).await;
    let deleted = client.client.delete(&client.path).await;
    let gone = client.client.get(&client.path).await;

    assert_eq!((read.status, read.header("cache-control")), (StatusCode::OK, "no-store"), "{read}");
    assert_eq!((&read.json()["client_name"], &read.json()["client_secret"]), (&json!("Before"), &Value::Null));
    assert_eq!((changed.status, &changed.json()["client_name"]), (StatusCode::OK, &json!("After")), "{changed}");
    assert_eq!(read_again.json()["client_name"], "After");
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!((gone.status, gone.json()["error"].as_str()), (StatusCode::UNAUTHORIZED, Some("invalid_token")), "{gone}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_7592_nobody_else_touches_a_registration(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (client, other) = (Registered::of(&doors, "none").await, Registered::of(&doors, "none").await);

    for caller in [&other.client, &doors.anyone(), &doors.admin(), &doors.with_key("guessed")] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let body =
                (method == Method::PUT).then(|| json!({ "client_id": client.told["client_id"], "redirect_uris": [CALLBACK] }));
            let refused = caller.send(method.clone(), &client.path, body).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{method}: {refused}");
            assert_eq!(refused.json()["error"], "invalid_token");
        }
    }
    assert_eq!(client.client.get(&client.path).await.status, StatusCode::OK, "it is as it was");
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_7592_section_2_2_an_update_is_of_the_client_itself_and_gives_it_no_more_than_registering(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let client = Registered::of(&doors, "client_secret_basic").await;

    let as_other = client.put(&json!({ "client_id": "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10" })).await;
    let chosen = client.put(&json!({ "client_secret": "of my own choice" })).await;
    let elsewhere = client.put(&json!({ "redirect_uris": ["javascript:alert(1)"] })).await;
    let wider = client.put(&json!({ "grant_types": ["authorization_code", "client_credentials"] })).await;

    assert_eq!((as_other.status, chosen.status), (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST), "{as_other}{chosen}");
    assert_eq!(elsewhere.json()["error"], "invalid_redirect_uri");
    assert_eq!(wider.json()["grant_types"], json!(["authorization_code"]), "{wider}");
}

/// Every change stays in the audit log for months, and anybody may register.
#[sqlx::test(migrations = "../../migrations")]
async fn nobody_fills_the_disk_by_changing_what_they_registered(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let (client, other) = (Registered::of(&doors, "none").await, Registered::of(&doors, "none").await);

    let mut changed = Vec::new();
    for _ in 0..12 {
        changed.push(client.put(&json!({})).await);
    }
    let others = other.put(&json!({})).await;
    while other.put(&json!({})).await.status == StatusCode::OK {}

    let refused = changed.pop().unwrap();
    assert!(changed.iter().take(10).all(|answer| answer.status == StatusCode::OK));
    assert_eq!((refused.status, &refused.json()["error"]), (StatusCode::TOO_MANY_REQUESTS, &json!("temporarily_unavailable")));
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|wait_s| (1..=360).contains(&wait_s)), "{refused}");
    assert_eq!(others.status, StatusCode::OK, "another client has its own: {others}");
    let kept = "SELECT count(*) FROM audit_entries WHERE operation = 'change_registration'";
    let kept: i64 = sqlx::query_scalar(kept).fetch_one(&pool).await.unwrap();
    assert!((11..=18).contains(&kept), "a network has 20 an hour, with those by which it registers: {kept}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn rfc_7592_section_2_3_what_a_deleted_client_was_let_do_ends(pool: PgPool) {
    let world = World::open(pool).await;
    let metadata = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let told = world.doors.anyone().post("/oauth/register", metadata).await.json();
    let mut app = world.app().await;
    told["client_id"].as_str().unwrap().clone_into(&mut app.id);
    let tokens = world.tokens(&app).await;
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(world.call(access).await.status, StatusCode::OK);

    let key = told["registration_access_token"].as_str().unwrap();
    let deleted = world.doors.with_key(key).delete(&format!("/oauth/register/{}", app.id)).await;

    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted}");
    assert_eq!(world.call(access).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.refresh(tokens["refresh_token"].as_str().unwrap()).await.json()["error"], "invalid_client");
}
