//! What happened to an account: on its page and by the API, and what somebody does who finds there what they did not do.

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{
    browser::{Browser, PASSWORD},
    invitations::join,
};
use crate::client::Doors;

const ANOTHER: &str = "kettle orbit mantle fog";

async fn activity(browser: &mut Browser) -> Vec<Value> {
    let listed = browser.fetch("GET", "/api/v1/account/activity", None).await;
    assert_eq!(listed.status, StatusCode::OK, "{listed}");
    listed.json()["items"].as_array().unwrap().clone()
}

fn operations(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["operation"].as_str().unwrap()).collect()
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_happened_is_told_with_place_and_client_newest_first_and_to_nobody_else(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut ada, mut elsewhere, mut eve) = (doors.browser(), doors.browser(), doors.browser());
    ada.sign_up("ada@example.com").await;
    eve.sign_up("eve@example.com").await;
    elsewhere.address = [203, 0, 113, 9].into();
    elsewhere.sign_in("ada@example.com", "not the password").await;
    elsewhere.sign_in("ada@example.com", PASSWORD).await;

    let entries = activity(&mut ada).await;
    let page = ada.get("/account/activity").await;

    assert_eq!(operations(&entries), ["sign_in", "refuse_sign_in", "sign_up"]);
    let [good, bad, made] = entries.as_slice() else { panic!("{entries:?}") };
    for entry in [good, bad] {
        assert_eq!((&entry["address"], &entry["device"]), (&json!("203.0.113.9"), &json!("Firefox on Linux")));
        assert_eq!(entry["is_current"], false);
    }
    assert_eq!((&good["by"], &bad["by"], &made["by"]), (&json!("person"), &json!("somebody"), &json!("person")));
    assert_eq!((&made["is_current"], &made["address"]), (&json!(true), &json!("192.0.2.1")));
    assert_eq!(bad["sign_in_id"], Value::Null);
    for part in [
        "Signed in by password",
        "A sign-in failed, by password",
        "This account was made",
        "Firefox on Linux",
        "from 203.0.113.9",
    ] {
        assert!(page.text.contains(part), "{part}: {page}");
    }
    let order = ["Signed in by password", "A sign-in failed", "This account was made"].map(|part| page.text.find(part).unwrap());
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(page.text.matches(">This was not me").count(), 1, "of the sign-in elsewhere alone: {page}");
    assert_eq!(operations(&activity(&mut eve).await), ["sign_up"]);
    assert!(!page.text.contains("<script"), "{page}");
    let anonymous = doors.browser().get("/account/activity").await;
    assert_eq!(anonymous.header("location"), "/sign-in?return_to=%2Faccount%2Factivity", "{anonymous}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn it_comes_in_parts(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let mut ada = doors.browser();
    ada.sign_up("ada@example.com").await;
    for _ in 0..40 {
        doors.browser().sign_in("ada@example.com", PASSWORD).await;
    }

    let first = ada.get("/account/activity").await;
    let next = first.text.split("href=\"/account/activity?after=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let second = ada.get(&format!("/account/activity?after={next}")).await;
    let listed = ada.fetch("GET", "/api/v1/account/activity?limit=10", None).await.json();
    let cursor = listed["next_cursor"].as_str().unwrap();
    let rest = ada.fetch("GET", &format!("/api/v1/account/activity?limit=100&cursor={cursor}"), None).await.json();

    assert_eq!(first.text.matches("Signed in by password").count(), 2 * 30, "each is said once more to screen readers: {first}");
    assert!(second.text.contains("This account was made") && !second.text.contains("Show older ones"), "{second}");
    assert_eq!((listed["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (10, 31));
    assert_eq!(ada.get("/account/activity?after=x").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_others_did_is_told_and_from_where_is_not(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut owner, mut ada) = (doors.browser(), doors.browser());
    owner.sign_up("owner@example.com").await;
    ada.sign_up("ada@example.com").await;
    join(&mut owner, &mut ada, "viewer").await;
    let account = ada.fetch("GET", "/api/v1/account", None).await.json();
    let user = account["user_id"].as_str().unwrap();
    let customer = owner.fetch("GET", "/api/v1/account", None).await.json()["customers"][0]["customer_id"].clone();
    let members = format!("/account/customers/{}/members", customer.as_str().unwrap());
    let removed = owner.fill(&members, &format!("{members}/{user}/remove"), &[]).await;
    assert_eq!(removed.status, StatusCode::SEE_OTHER, "{removed}");

    let entries = activity(&mut ada).await;
    let page = ada.get("/account/activity").await;

    assert_eq!(operations(&entries), ["remove_member", "accept_invitation", "sign_up"]);
    assert_eq!((&entries[0]["by"], &entries[0]["address"]), (&json!("others"), &Value::Null));
    assert_eq!(entries[0]["sign_in_id"], Value::Null);
    assert!(page.text.contains("You were removed from a customer"), "{page}");
    assert!(!operations(&activity(&mut owner).await).contains(&"remove_member"), "it is not about their account");
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_finds_what_was_not_theirs_puts_everybody_out(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut ada, mut thief) = (doors.browser(), doors.browser());
    ada.sign_up("ada@example.com").await;
    thief.sign_in("ada@example.com", PASSWORD).await;
    let found = ada.get("/account/activity").await;
    assert!(found.text.contains("href=\"/account/not-me\""), "{found}");

    let page = ada.get("/account/not-me").await;
    assert!(page.text.contains("Put everybody out") && !page.text.contains("<script"), "{page}");
    let wrong = ada.fill("/account/not-me", "/account/not-me", &[("current", "x"), ("next", ANOTHER)]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    assert!(wrong.text.contains("This is not your password") && wrong.text.contains("That was not you?"), "{wrong}");
    let forged = ada.post("/account/not-me", &[("current", PASSWORD), ("next", ANOTHER)]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "not without the token of the form");
    assert!(thief.is_signed_in().await);
    let changed = ada.fill("/account/not-me", "/account/not-me", &[("current", PASSWORD), ("next", ANOTHER)]).await;

    assert_eq!(changed.header("location"), "/account?done=secured", "{changed}");
    assert!(ada.is_signed_in().await && !thief.is_signed_in().await);
    assert_eq!(thief.sign_in("ada@example.com", PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let after = ada.get("/account/activity").await;
    assert!(after.text.contains("Another password was set") && after.text.contains("2 sign-ins ended by it."), "{after}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_can_only_sign_out_everywhere_comes_back_to_the_rest(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let (mut ada, mut thief) = (doors.browser(), doors.browser());
    ada.sign_up("ada@example.com").await;
    thief.sign_in("ada@example.com", PASSWORD).await;

    let out = ada.fill("/account/not-me", "/account/sign-out-everywhere", &[("then", "not-me")]).await;

    assert_eq!(out.header("location"), "/sign-in?return_to=%2Faccount%2Fnot-me", "{out}");
    assert!(!ada.is_signed_in().await && !thief.is_signed_in().await);
    ada.sign_in("ada@example.com", PASSWORD).await;
    let plain = ada.fill("/account", "/account/sign-out-everywhere", &[("then", "https://evil.test")]).await;
    assert_eq!(plain.header("location"), "/sign-in", "{plain}");
}
