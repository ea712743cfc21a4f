//! What owners of a customer see and end of others' access to its servers.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{
    access::ada,
    world::{PASSWORD, World, form},
};
use crate::accounts::invitations::invite;

const PATH: &str = "/api/v1/servers/weather/access";

/// The access token of a client that the customer made for its server.
async fn machine(world: &World) -> String {
    let made = world.owner.post("/api/v1/clients", json!({ "name": "Nightly report", "server": "weather" })).await.json();
    let basic =
        BASE64_STANDARD.encode(format!("{}:{}", made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap()));
    let request = Request::post("/oauth/token")
        .header(header::AUTHORIZATION, format!("Basic {basic}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let body = form(&[("grant_type", "client_credentials")]);
    let answer = world.doors.anyone().send_request(request.body(body.into()).unwrap()).await;
    answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn of<'a>(listed: &'a Value, acts_for: &str) -> &'a Value {
    let items = listed["items"].as_array().unwrap();
    items.iter().find(|item| item["acts_for"] == acts_for).unwrap_or_else(|| panic!("no {acts_for} in {listed}"))
}

#[sqlx::test(migrations = "../../migrations")]
async fn owners_see_who_may_use_a_server_and_end_it(pool: PgPool) {
    let world = World::open(pool).await;
    let app = world.app().await;
    let of_ada = world.tokens(&app).await;
    assert_eq!(world.owner.patch("/api/v1/servers/weather", json!({ "access": "consent" })).await.status, StatusCode::OK);
    let code = world.stranger().await.allow(&app.request()).await;
    let of_bob = app.redeem(&code).await.json();
    let of_machine = machine(&world).await;
    let tokens = [of_ada["access_token"].as_str().unwrap(), of_bob["access_token"].as_str().unwrap(), of_machine.as_str()];
    for token in tokens {
        assert_eq!(world.call(token).await.status, StatusCode::OK);
    }
    let mut ada = ada(&world.doors).await;

    let listed = ada.fetch("GET", PATH, None).await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(3), "{listed}");
    let (member, outsider, customer) = (of(&listed, "member"), of(&listed, "outsider"), of(&listed, "customer"));
    assert_eq!((&member["email"], &member["client_name"]), (&json!("ada@example.com"), &json!("Example client")));
    assert_eq!((&outsider["email"], &outsider["is_offline"]), (&Value::Null, &json!(true)));
    assert!(!listed.to_string().contains("bob@example.com"), "of a person outside nothing is said");
    assert_eq!((&customer["client_name"], &customer["email"]), (&json!("Nightly report"), &Value::Null));
    for access in [member, outsider, customer] {
        assert_eq!(access["scopes"], json!([{ "scope": "mcp:tools", "words": "use everything on this server" }]));
        assert!(access["last_used_at"].is_string() && access["given_at"].is_string(), "{access}");
        assert_eq!(access["authorizations"], 1);
    }
    let by_key = world.owner.get(PATH).await.json();
    assert!(!by_key.to_string().contains('@'), "keys have nothing to do with people: {by_key}");
    let first = world.owner.get(&format!("{PATH}?limit=2")).await.json();
    let rest = world.owner.get(&format!("{PATH}?limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
    let both = [first["items"].as_array().unwrap().as_slice(), rest["items"].as_array().unwrap()].concat();
    assert_eq!(&both, by_key["items"].as_array().unwrap());

    for (access, token) in [member, outsider, customer].into_iter().zip(tokens) {
        let path = format!("{PATH}/{}", access["access_id"].as_str().unwrap());
        assert_eq!(world.call(token).await.status, StatusCode::OK);
        assert_eq!(ada.fetch("DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
        assert_eq!(world.call(token).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(ada.fetch("DELETE", &path, None).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(app.refresh(of_bob["refresh_token"].as_str().unwrap()).await.json()["error"], "invalid_grant");
    assert_eq!(ada.fetch("GET", PATH, None).await.json()["items"], json!([]));
    assert_eq!(world.owner.get("/api/v1/clients").await.json()["items"], json!([]), "a client of the customer's is gone with it");
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_is_no_owner_sees_and_ends_no_access_of_others(pool: PgPool) {
    let world = World::open(pool).await;
    let app = world.app().await;
    let tokens = world.tokens(&app).await;
    let mut ada = ada(&world.doors).await;
    let listed = ada.fetch("GET", PATH, None).await.json();
    let path = format!("{PATH}/{}", listed["items"][0]["access_id"].as_str().unwrap());
    let link = invite(&mut ada, json!({ "role": "editor" })).await;
    let mut eve = world.doors.browser();
    let fields =
        [("invitation", link.rsplit('/').next().unwrap()), ("name", "Eve"), ("email", "eve@example.com"), ("password", PASSWORD)];
    assert_eq!(eve.fill("/sign-up", "/sign-up", &fields).await.status, StatusCode::SEE_OTHER);
    world.stranger().await;
    let mut bob = world.doors.browser();
    bob.sign_in("bob@example.com", PASSWORD).await;
    let server = json!({ "slug": "bobs", "title": "Bob's" });
    assert_eq!(bob.fetch("POST", "/api/v1/servers", Some(server)).await.status, StatusCode::CREATED);

    for (method, path) in [("GET", PATH), ("DELETE", path.as_str())] {
        assert_eq!(eve.fetch(method, path, None).await.status, StatusCode::FORBIDDEN, "an editor, {method}");
        assert_eq!(bob.fetch(method, path, None).await.status, StatusCode::NOT_FOUND, "another customer's owner, {method}");
    }
    let by_way_of_own = path.replace("weather", "bobs");
    assert_eq!(bob.fetch("DELETE", &by_way_of_own, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.call(tokens["access_token"].as_str().unwrap()).await.status, StatusCode::OK);
}
