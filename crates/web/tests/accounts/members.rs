use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{
    browser::Browser,
    invitations::{invite, join},
    own::eventually,
};
use crate::client::Doors;

async fn user_id(browser: &mut Browser) -> String {
    browser.fetch("GET", "/api/v1/account", None).await.json()["user_id"].as_str().unwrap().to_owned()
}

/// The customer of tier `pro` that only its first owner belongs to, so that nobody has to name it.
async fn owner_of_one(doors: &Doors, email: &str) -> Browser {
    let customer = doors.admin().post("/admin/v1/customers", json!({ "name": "Example Ltd", "tier": "pro" })).await.json();
    let path = format!("/admin/v1/customers/{}/invitations", customer["customer_id"].as_str().unwrap());
    let link = doors.admin().post(&path, json!({ "role": "owner" })).await.json()["link"].as_str().unwrap().to_owned();
    guest(doors, &link, email).await
}

/// Somebody who signs up by an invitation.
async fn guest(doors: &Doors, link: &str, email: &str) -> Browser {
    let mut browser = doors.browser();
    let token = link.rsplit('/').next().unwrap();
    let fields = [("invitation", token), ("name", "Guest"), ("email", email), ("password", super::browser::PASSWORD)];
    let answer = browser.fill("/sign-up", "/sign-up", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer}");
    browser
}

#[sqlx::test(migrations = "../../migrations")]
async fn each_role_may_what_it_may(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut owner = owner_of_one(&doors, "ada@example.com").await;
    let (for_editor, for_viewer) =
        (invite(&mut owner, json!({ "role": "editor" })).await, invite(&mut owner, json!({ "role": "viewer" })).await);
    let mut editor = guest(&doors, &for_editor, "eve@example.com").await;
    let mut viewer = guest(&doors, &for_viewer, "vic@example.com").await;
    let server = json!({ "slug": "weather", "title": "Weather" });
    let source = json!({ "language": "typescript", "source": crate::client::GREET });

    assert_eq!(viewer.fetch("POST", "/api/v1/servers", Some(server.clone())).await.status, StatusCode::FORBIDDEN);
    assert_eq!(editor.fetch("POST", "/api/v1/servers", Some(server)).await.status, StatusCode::CREATED);
    let put = editor.fetch("PUT", "/api/v1/servers/weather/tools/greet", Some(source.clone())).await;
    assert_eq!(put.status, StatusCode::CREATED, "{put}");
    assert_eq!(viewer.fetch("PUT", "/api/v1/servers/weather/tools/greet", Some(source)).await.status, StatusCode::FORBIDDEN);
    let refused = viewer.fetch("POST", "/api/v1/servers/weather/releases", Some(json!({}))).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused}");
    assert_eq!(refused.json()["message"], "this needs the role `editor` at this customer");
    assert_eq!(editor.fetch("POST", "/api/v1/servers/weather/releases", Some(json!({}))).await.status, StatusCode::CREATED);
    assert_eq!(viewer.fetch("GET", "/api/v1/servers/weather", None).await.status, StatusCode::OK);
    let invitation = json!({ "role": "viewer" });
    assert_eq!(editor.fetch("POST", "/api/v1/invitations", Some(invitation.clone())).await.status, StatusCode::FORBIDDEN);
    assert_eq!(editor.fetch("GET", "/api/v1/members", None).await.status, StatusCode::OK);
    assert_eq!(editor.fetch("DELETE", "/api/v1/servers/weather", None).await.status, StatusCode::FORBIDDEN);
    assert_eq!(owner.fetch("DELETE", "/api/v1/servers/weather", None).await.status, StatusCode::NO_CONTENT);
    let id = user_id(&mut editor).await;
    let promote = editor.fetch("PATCH", &format!("/api/v1/members/{id}"), Some(json!({ "role": "owner" }))).await;
    assert_eq!(promote.status, StatusCode::FORBIDDEN, "nobody makes themselves an owner");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_role_that_is_taken_away_is_gone_on_every_node(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let other_node = Doors::open(pool).await;
    let mut owner = owner_of_one(&doors, "ada@example.com").await;
    let link = invite(&mut owner, json!({ "role": "editor" })).await;
    let mut editor = guest(&other_node, &link, "eve@example.com").await;
    assert_eq!(editor.fetch("GET", "/api/v1/servers", None).await.status, StatusCode::OK);
    let path = format!("/api/v1/members/{}", user_id(&mut editor).await);

    let changed = owner.fetch("PATCH", &path, Some(json!({ "role": "viewer" }))).await;
    assert_eq!((changed.status, &changed.json()["role"]), (StatusCode::OK, &json!("viewer")));
    let server = || Some(json!({ "slug": "weather", "title": "Weather" }));
    eventually(async || editor.clone().fetch("POST", "/api/v1/servers", server()).await.status == StatusCode::FORBIDDEN).await;

    assert_eq!(owner.fetch("DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
    eventually(async || {
        let answer = editor.clone().fetch("GET", "/api/v1/servers", None).await;
        answer.status == StatusCode::FORBIDDEN && answer.json()["message"] == "this needs to be a member of a customer"
    })
    .await;
    assert_eq!(owner.fetch("DELETE", &path, None).await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_last_owner_cannot_go(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut owner = owner_of_one(&doors, "ada@example.com").await;
    let path = format!("/api/v1/members/{}", user_id(&mut owner).await);

    let removed = owner.fetch("DELETE", &path, None).await;
    let changed = owner.fetch("PATCH", &path, Some(json!({ "role": "editor" }))).await;

    for answer in [removed, changed] {
        assert_eq!((answer.status, &answer.json()["error_code"]), (StatusCode::CONFLICT, &json!("conflict")), "{answer}");
    }
    assert_eq!(owner.fetch("GET", "/api/v1/members", None).await.json()["items"][0]["role"], "owner");
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_customers_people_are_not_there(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut ada, mut eve) = (doors.browser(), doors.browser());
    ada.sign_up("ada@example.com").await;
    eve.sign_up("eve@example.com").await;
    invite(&mut ada, json!({ "role": "viewer" })).await;
    let theirs = ada.fetch("GET", "/api/v1/invitations", None).await.json();
    let invitation = theirs["items"][0]["invitation_id"].as_str().unwrap().to_owned();
    let account = ada.fetch("GET", "/api/v1/account", None).await.json();
    let (user, sign_in) = (account["user_id"].as_str().unwrap(), account["sign_ins"][0]["sign_in_id"].as_str().unwrap());
    let missing = "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10";
    let hide = |answer: &crate::client::Answer, id: &str| answer.to_string().replace(id, "…").replace("[id]", "…");

    for (method, path, body) in [
        ("PATCH", "/api/v1/members/{}", Some(json!({ "role": "viewer" }))),
        ("DELETE", "/api/v1/members/{}", None),
        ("DELETE", "/api/v1/invitations/{}", None),
        ("DELETE", "/api/v1/account/sign-ins/{}", None),
    ] {
        let id = if path.contains("invitations") {
            &invitation
        } else if path.contains("sign-ins") {
            sign_in
        } else {
            user
        };
        let foreign = eve.fetch(method, &path.replace("{}", id), body.clone()).await;
        let none = eve.fetch(method, &path.replace("{}", missing), body).await;
        assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{method} {path}: {foreign}");
        assert_eq!(hide(&foreign, id), hide(&none, missing), "{method} {path}");
    }
    let members = eve.fetch("GET", "/api/v1/members", None).await.json();
    assert_eq!(members["items"].as_array().map(Vec::len), Some(1));
    assert!(eve.fetch("GET", "/api/v1/invitations", None).await.json()["items"].as_array().unwrap().is_empty());
    assert_eq!(ada.fetch("GET", "/api/v1/invitations", None).await.json(), theirs);
    assert!(ada.is_signed_in().await);
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_belongs_to_several_customers_names_one(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut ada, mut eve, mut mallory) = (doors.browser(), doors.browser(), doors.browser());
    ada.sign_up("ada@example.com").await;
    eve.sign_up("eve@example.com").await;
    mallory.sign_up("mallory@example.com").await;
    join(&mut ada, &mut eve, "viewer").await;
    let of = |account: &Value| account["customers"].as_array().unwrap().clone();
    let customers = of(&eve.fetch("GET", "/api/v1/account", None).await.json());
    let others = of(&mallory.fetch("GET", "/api/v1/account", None).await.json());
    let cookie = format!("toolwright={}", eve.token().unwrap());
    let list = async |customer: Option<&str>| {
        let request = http::Request::get("/api/v1/members").header("cookie", &cookie);
        let request = customer.iter().fold(request, |request, customer| request.header("toolwright-customer", *customer));
        doors.anyone().send_request(request.body(axum::body::Body::empty()).unwrap()).await
    };

    let unnamed = list(None).await;
    assert_eq!(unnamed.status, StatusCode::UNPROCESSABLE_ENTITY, "{unnamed}");
    for customer in &customers {
        let id = customer["customer_id"].as_str().unwrap();
        assert!(unnamed.text.contains(id), "{unnamed}");
        let members = list(Some(id)).await.json()["items"].as_array().map(Vec::len);
        assert_eq!(members, Some(if customer["role"] == "viewer" { 2 } else { 1 }));
    }
    assert_eq!(list(others[0]["customer_id"].as_str()).await.status, StatusCode::NOT_FOUND, "another's answers as a missing one");
    assert_eq!(list(Some("nonsense")).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_api_key_has_nothing_to_say_about_people(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let key = doors.customer("free").await;

    for path in ["/api/v1/members", "/api/v1/invitations", "/api/v1/account"] {
        assert_eq!(key.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(key.post("/api/v1/invitations", json!({ "role": "owner" })).await.status, StatusCode::FORBIDDEN);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_removed_owner_does_not_come_back_by_a_link_of_their_own(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut ada = owner_of_one(&doors, "ada@example.com").await;
    let link = invite(&mut ada, json!({ "role": "owner" })).await;
    let mut mallory = guest(&doors, &link, "mallory@example.com").await;
    let path = format!("/api/v1/members/{}", user_id(&mut mallory).await);
    let owner = || Some(json!({ "role": "owner" }));
    let editor = || Some(json!({ "role": "editor" }));

    let before = invite(&mut mallory, json!({ "role": "owner" })).await;
    let of_ada = invite(&mut ada, json!({ "role": "viewer" })).await;
    assert_eq!(ada.fetch("PATCH", &path, owner()).await.status, StatusCode::OK);
    assert_eq!(mallory.get(&before).await.status, StatusCode::OK, "who stays an owner lets others in");
    assert_eq!(ada.fetch("PATCH", &path, editor()).await.status, StatusCode::OK);
    assert_eq!(mallory.get(&before).await.status, StatusCode::NOT_FOUND, "an editor lets nobody in");
    assert_eq!(ada.fetch("PATCH", &path, owner()).await.status, StatusCode::OK);
    assert_eq!(mallory.get(&before).await.status, StatusCode::NOT_FOUND, "what was taken back stays so");
    let before = invite(&mut mallory, json!({ "role": "owner" })).await;
    assert_eq!(ada.fetch("DELETE", &path, None).await.status, StatusCode::NO_CONTENT);

    assert_eq!(mallory.get(&before).await.status, StatusCode::NOT_FOUND);
    assert_eq!(mallory.get(&of_ada).await.status, StatusCode::OK, "the links of others are as they were");
    let open = ada.fetch("GET", "/api/v1/invitations", None).await.json();
    assert_eq!(open["items"].as_array().map(Vec::len), Some(1));
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_is_disabled_lets_nobody_in_any_more(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut ada = owner_of_one(&doors, "ada@example.com").await;
    let link = invite(&mut ada, json!({ "role": "owner" })).await;
    let path = format!("/admin/v1/users/{}", user_id(&mut ada).await);

    doors.admin().patch(&path, json!({ "disabled": true })).await;

    assert_eq!(doors.browser().get(&link).await.status, StatusCode::NOT_FOUND);
    doors.admin().patch(&path, json!({ "disabled": false })).await;
    assert_eq!(doors.browser().get(&link).await.status, StatusCode::NOT_FOUND, "what was taken back stays so");
}
