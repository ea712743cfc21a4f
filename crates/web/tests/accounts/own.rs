use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::browser::PASSWORD;
use crate::client::Doors;

const OTHER: &str = "kettle orbit mantle fog";

/// Other nodes hear of changes within milliseconds.
pub(crate) async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not become so within 5 s");
}

#[sqlx::test(migrations = "../../migrations")]
async fn signing_out_everywhere_ends_the_others_on_every_node_at_once(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let other_node = Doors::open(pool).await;
    let (mut one, mut other) = (doors.browser(), other_node.browser());
    one.sign_up("ada@example.com").await;
    other.sign_in("ada@example.com", PASSWORD).await;
    let mut here = doors.browser();
    here.sign_in("ada@example.com", PASSWORD).await;
    assert!(other.is_signed_in().await && one.is_signed_in().await);

    here.fill("/account", "/account/sign-out-everywhere", &[]).await;

    assert!(!here.is_signed_in().await);
    assert!(!one.is_signed_in().await, "on this node there is nothing to wait for");
    eventually(async || !other.clone().is_signed_in().await).await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn one_sign_in_is_ended_and_the_others_stay(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut one, mut other) = (doors.browser(), doors.browser());
    one.sign_up("ada@example.com").await;
    other.sign_in("ada@example.com", PASSWORD).await;
    let account = one.fetch("GET", "/api/v1/account", None).await.json();
    let theirs = account["sign_ins"].as_array().unwrap().iter().find(|sign_in| sign_in["is_current"] == false).unwrap();
    let action = format!("/account/sign-ins/{}/end", theirs["sign_in_id"].as_str().unwrap());

    let ended = one.fill("/account", &action, &[]).await;

    assert_eq!(ended.header("location"), "/account?done=ended");
    assert!(!other.is_signed_in().await && one.is_signed_in().await);
    let again = one.fill("/account", &action, &[]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert!(again.header("content-type").starts_with("text/html"), "what goes wrong is a page as well");
    assert!(again.text.contains(again.header("x-request-id")), "{again}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_password_signs_out_everywhere_else(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut one, mut other) = (doors.browser(), doors.browser());
    one.sign_up("ada@example.com").await;
    other.sign_in("ada@example.com", PASSWORD).await;

    let wrong = one.fill("/account", "/account/password", &[("current", OTHER), ("next", OTHER)]).await;
    let weak = one.fill("/account", "/account/password", &[("current", PASSWORD), ("next", "password1234")]).await;
    assert_eq!((wrong.status, weak.status), (StatusCode::UNPROCESSABLE_ENTITY, StatusCode::UNPROCESSABLE_ENTITY));
    assert!(wrong.text.contains("This is not your password."), "{wrong}");
    assert!(weak.text.contains("tried first"), "{weak}");
    assert!(other.is_signed_in().await);

    let mut stolen = one.clone();
    let done = one.fill("/account", "/account/password", &[("current", PASSWORD), ("next", OTHER)]).await;

    assert_eq!(done.header("location"), "/account?done=password", "{done}");
    assert_ne!(one.token(), stolen.token());
    assert!(!stolen.is_signed_in().await, "whoever has a copy of the cookie is out as well");
    assert!(one.is_signed_in().await && !other.is_signed_in().await);
    assert_eq!(other.sign_in("ada@example.com", PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.sign_in("ada@example.com", OTHER).await.status, StatusCode::SEE_OTHER);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_account_is_there_for_programs_of_ones_own_page_too(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut one, mut other) = (doors.browser(), doors.browser());
    one.sign_up("ada@example.com").await;
    other.sign_in("ada@example.com", PASSWORD).await;

    let account = one.fetch("GET", "/api/v1/account", None).await.json();
    assert_eq!((&account["email"], &account["customers"][0]["role"]), (&json!("ada@example.com"), &json!("owner")));
    assert_eq!(account["sign_ins"].as_array().map(Vec::len), Some(2));
    let body = json!({ "current_password": PASSWORD, "new_password": OTHER });
    let mut stolen = one.clone();
    assert_eq!(one.fetch("POST", "/api/v1/account/password", Some(body)).await.status, StatusCode::NO_CONTENT);
    assert!(one.is_signed_in().await && !stolen.is_signed_in().await);
    assert!(!other.is_signed_in().await);
    other.sign_in("ada@example.com", OTHER).await;
    let account = one.fetch("GET", "/api/v1/account", None).await.json();
    let newest: &Value = &account["sign_ins"][0];
    let path = format!("/api/v1/account/sign-ins/{}", newest["sign_in_id"].as_str().unwrap());
    assert_eq!(one.fetch("DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
    assert!(!other.is_signed_in().await);
    assert_eq!(one.fetch("DELETE", "/api/v1/account/sign-ins", None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(one.fetch("GET", "/api/v1/account", None).await.status, StatusCode::UNAUTHORIZED);
}
