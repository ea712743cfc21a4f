use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{SoftAuthenticator, TestOptions};

use super::browser::{Browser, PASSWORD, csrf};
use crate::client::{Answer, Doors};

const HERE: &str = "http://localhost:8080";
const OWN_SCRIPT: &str = "script-src 'self'; connect-src 'self';";

async fn open(pool: &PgPool) -> Doors {
    Doors::open_with(pool, TestOptions { public_url: HERE.to_owned(), ..TestOptions::default() }).await
}

fn browser(doors: &Doors) -> Browser {
    let mut browser = doors.browser();
    browser.host = "localhost:8080".to_owned();
    browser.origin = Some(HERE.to_owned());
    browser
}

/// What the script does on the page of passkeys.
async fn add(browser: &mut Browser, authenticator: &mut SoftAuthenticator, name: &str) -> Answer {
    let csrf = csrf(&browser.get("/account/passkeys").await);
    let asked = [("csrf", csrf.as_str()), ("name", name), ("password", PASSWORD)];
    let begun = browser.post("/account/passkeys/options", &asked).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun}");
    let begun = begun.json();
    let credential = authenticator.make(&begun["options"]);
    let fields = [("csrf", csrf.as_str()), ("name", name), ("state", text(&begun["state"])), ("credential", &credential)];
    browser.post("/account/passkeys", &fields).await
}

/// What it does on the page where one signs in.
async fn sign_in(browser: &mut Browser, authenticator: &mut SoftAuthenticator, return_to: &str) -> Answer {
    let csrf = csrf(&browser.get("/sign-in?again=1").await);
    let begun = browser.post("/sign-in/passkey/options", &[("csrf", &csrf)]).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun}");
    let begun = begun.json();
    let credential = authenticator.sign(&begun["options"]);
    let fields =
        [("csrf", csrf.as_str()), ("return_to", return_to), ("state", text(&begun["state"])), ("credential", &credential)];
    browser.post("/sign-in/passkey", &fields).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_passkey_signs_in_and_one_goes_on_where_one_wanted_to(pool: PgPool) {
    let doors = open(&pool).await;
    let mut ada = browser(&doors);
    ada.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(HERE);

    let added = add(&mut ada, &mut authenticator, "My <laptop>").await;
    assert_eq!(added.header("location"), "/account/passkeys?done=added", "{added}");
    let page = ada.get("/account/passkeys?done=added").await;
    assert!(page.text.contains("My &#60;laptop&#62;") && page.text.contains("not used yet"), "{page}");

    let mut again = browser(&doors);
    let path = "/oauth/authorize?a=b&c=d";
    let came_in = sign_in(&mut again, &mut authenticator, path).await;
    assert_eq!((came_in.status, came_in.header("location")), (StatusCode::SEE_OTHER, path), "{came_in}");
    assert!(again.is_signed_in().await);
    let elsewhere = sign_in(&mut browser(&doors), &mut authenticator, "https://evil.test/").await;
    assert_eq!(elsewhere.header("location"), "/account");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_sign_in_by_passkey_takes_the_place_of_the_one_that_was_there(pool: PgPool) {
    let doors = open(&pool).await;
    let mut ada = browser(&doors);
    ada.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(HERE);
    add(&mut ada, &mut authenticator, "Laptop").await;
    let mut before = ada.clone();

    sign_in(&mut ada, &mut authenticator, "/account").await;

    assert_ne!(ada.token(), before.token());
    assert!(ada.is_signed_in().await && !before.is_signed_in().await);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_refused_passkey_leads_back_to_the_page_with_the_reason(pool: PgPool) {
    let doors = open(&pool).await;
    let mut ada = browser(&doors);
    ada.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(HERE);
    add(&mut ada, &mut authenticator, "Laptop").await;
    authenticator.verifies_user = false;
    let mut stranger = browser(&doors);

    let refused = sign_in(&mut stranger, &mut authenticator, "/oauth/authorize?a=b").await;

    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    assert!(refused.text.contains("This passkey was not accepted."), "{refused}");
    assert!(refused.text.contains("value=\"/oauth/authorize?a=b\""), "it is tried again for the same: {refused}");
    assert_eq!(stranger.token(), None);
    authenticator.verifies_user = true;
    let added = add(&mut ada, &mut authenticator.clone(), "Phone").await;
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{added}");
    authenticator.verifies_user = false;
    let refused = add(&mut ada, &mut authenticator, "Desk").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("This passkey was not accepted."), "{refused}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_site_begins_and_ends_nothing(pool: PgPool) {
    let doors = open(&pool).await;
    let mut ada = browser(&doors);
    ada.sign_up("ada@example.com").await;
    let token = csrf(&ada.get("/account/passkeys").await);
    let paths = [
        "/sign-in/passkey/options",
        "/sign-in/passkey",
        "/account/passkeys",
        "/account/passkeys/options",
        "/account/passkeys/proof",
        "/account/passkeys/01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10/remove",
        "/account/passkeys/01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10/rename",
    ];
    for path in paths {
        let forged = ada.post(path, &[("csrf", "forged"), ("password", PASSWORD)]).await;
        assert_eq!(forged.status, StatusCode::FORBIDDEN, "{path}: {forged}");
        let mut foreign = ada.clone();
        foreign.origin = Some("https://evil.test".to_owned());
        let foreign = foreign.post(path, &[("csrf", &token), ("password", PASSWORD)]).await;
        assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{path}: {foreign}");
    }
    let wrong = [("csrf", token.as_str()), ("name", "Laptop"), ("password", "another password")];
    let wrong = ada.post("/account/passkeys/options", &wrong).await;
    assert_eq!((wrong.status, &wrong.json()["message"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("this is not your password")));
    let unproven = ada.post("/account/passkeys/options", &[("csrf", &token), ("name", "Laptop")]).await;
    assert_eq!((unproven.status, &unproven.json()["error_code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    let nameless = ada.post("/account/passkeys/options", &[("csrf", &token), ("name", " "), ("password", PASSWORD)]).await;
    assert_eq!(nameless.status, StatusCode::UNPROCESSABLE_ENTITY, "before the authenticator makes one: {nameless}");

    let mut stranger = browser(&doors);
    let token = csrf(&stranger.get("/sign-in").await);
    for path in ["/account/passkeys/options", "/account/passkeys/proof"] {
        let unknown = stranger.post(path, &[("csrf", &token), ("name", "Laptop"), ("password", PASSWORD)]).await;
        assert_eq!((unknown.status, &unknown.json()["error_code"]), (StatusCode::UNAUTHORIZED, &json!("unauthenticated")));
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_script_runs_where_passkeys_are_used_and_nowhere_else(pool: PgPool) {
    let doors = open(&pool).await;
    let mut ada = browser(&doors);
    let shown = ada.get("/sign-in").await;
    assert!(shown.header("content-security-policy").contains(OWN_SCRIPT), "{shown}");
    let form = shown.text.split("<form").find(|form| form.contains("data-passkey")).unwrap();
    let tag = form.split('>').next().unwrap();
    assert!(tag.ends_with(" hidden") && tag.contains("data-origin=\"http://localhost:8080\""), "{tag}");
    ada.sign_up("ada@example.com").await;
    assert!(ada.get("/account/passkeys").await.header("content-security-policy").contains(OWN_SCRIPT));
    for path in ["/account", "/sign-up", "/oauth/authorize", "/account/access"] {
        let page = ada.get(path).await;
        assert!(!page.header("content-security-policy").contains("script-src"), "{path}: {page}");
        assert!(!page.text.contains("<script"), "{path}: {page}");
    }
    let script = ada.get("/assets/passkeys.js").await;
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");

    // An address without a name: there are no passkeys, and no script.
    let nowhere = "http://192.0.2.1:8080";
    let doors = Doors::open_with(&pool, TestOptions { public_url: nowhere.to_owned(), ..TestOptions::default() }).await;
    let mut there = doors.browser();
    (there.host, there.origin) = ("192.0.2.1:8080".to_owned(), Some(nowhere.to_owned()));
    let shown = there.get("/sign-in").await;
    assert!(!shown.text.contains("passkey") && !shown.header("content-security-policy").contains("script-src"), "{shown}");
    there.sign_in("ada@example.com", PASSWORD).await;
    let page = there.get("/account/passkeys").await;
    assert!(page.text.contains("only for an address with a name") && !page.text.contains("<script"), "{page}");
    let token = csrf(&page);
    let none = there.post("/sign-in/passkey/options", &[("csrf", &token)]).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND, "{none}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn passkeys_are_listed_renamed_and_removed_on_the_page_and_by_the_api(pool: PgPool) {
    let doors = open(&pool).await;
    let (mut ada, mut eve) = (browser(&doors), browser(&doors));
    ada.sign_up("ada@example.com").await;
    eve.sign_up("eve@example.com").await;
    let (mut one, mut other) = (SoftAuthenticator::new(HERE), SoftAuthenticator::new(HERE));
    add(&mut ada, &mut one, "One").await;
    add(&mut ada, &mut other, "Other").await;
    let listed = ada.fetch("GET", "/api/v1/account/passkeys", None).await.json();
    assert_eq!((&listed["items"][0]["name"], &listed["items"][1]["name"]), (&json!("Other"), &json!("One")));
    assert_eq!(listed["items"][0]["used_at"], Value::Null);
    let ids = [0, 1].map(|index| text(&listed["items"][index]["passkey_id"]).to_owned());

    let path = format!("/api/v1/account/passkeys/{}", ids[0]);
    assert_eq!(eve.fetch("PATCH", &path, Some(json!({ "name": "Mine" }))).await.status, StatusCode::NOT_FOUND);
    assert_eq!(eve.fetch("DELETE", &path, None).await.status, StatusCode::NOT_FOUND);
    let renamed = ada.fetch("PATCH", &path, Some(json!({ "name": "Phone" }))).await;
    assert_eq!((renamed.status, &renamed.json()["name"]), (StatusCode::OK, &json!("Phone")));
    assert_eq!(ada.fetch("DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
    let refused = sign_in(&mut browser(&doors), &mut other, "/account").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);

    let rename = format!("/account/passkeys/{}/rename", ids[1]);
    let remove = format!("/account/passkeys/{}/remove", ids[1]);
    assert_eq!(eve.fill("/account/passkeys", &remove, &[]).await.status, StatusCode::NOT_FOUND);
    let renamed = ada.fill("/account/passkeys", &rename, &[("name", "Desk")]).await;
    assert_eq!(renamed.header("location"), "/account/passkeys?done=renamed");
    assert!(ada.get("/account/passkeys").await.text.contains("Desk"));
    let removed = ada.fill("/account/passkeys", &remove, &[]).await;
    assert_eq!(removed.header("location"), "/account/passkeys?done=removed");
    assert!(ada.get("/account/passkeys").await.text.contains("You have no passkey."));
}

#[sqlx::test(migrations = "../../migrations")]
async fn at_the_address_of_this_machine_one_is_led_to_its_name(pool: PgPool) {
    let answered = |settings: &mut web::WebSettings| settings.hosts = vec!["localhost".parse().unwrap()];
    let doors = Doors::open_changed(&pool, TestOptions::default(), answered).await;
    let (mut by_address, mut by_name) = (doors.browser(), browser(&doors));
    by_address.sign_up("ada@example.com").await;

    let page = by_address.get("/account/passkeys").await;
    let sign_in_page = doors.browser().get("/sign-in?return_to=%2Foauth%2Fauthorize%3Fa%3Db").await;
    by_name.sign_in("ada@example.com", PASSWORD).await;
    let there = by_name.get("/account/passkeys").await;
    let mut authenticator = SoftAuthenticator::new(HERE);
    let added = add(&mut by_name, &mut authenticator, "Laptop").await;
    let came_in = sign_in(&mut browser(&doors), &mut authenticator, "/account").await;

    let link = "<a href=\"http://localhost:8080/account/passkeys\">http://localhost:8080</a>";
    assert!(page.text.contains(link) && page.text.contains("for a name and not for an address"), "{page}");
    assert!(!page.text.contains("<script") && !page.text.contains("data-passkey"), "{page}");
    let link = "href=\"http://localhost:8080/sign-in?return_to=%2Foauth%2Fauthorize%3Fa%3Db\"";
    assert!(sign_in_page.text.contains(link) && !sign_in_page.text.contains("<script"), "{sign_in_page}");
    assert!(there.text.contains("data-origin=\"http://localhost:8080\""), "{there}");
    assert_eq!((added.status, came_in.status), (StatusCode::SEE_OTHER, StatusCode::SEE_OTHER), "{added} {came_in}");

    // Where that name is not answered, it is not named.
    let doors = Doors::open(pool).await;
    let mut alone = doors.browser();
    alone.sign_in("ada@example.com", PASSWORD).await;
    let page = alone.get("/account/passkeys").await;
    assert!(page.text.contains("only for an address with a name") && !page.text.contains("localhost"), "{page}");
    assert!(!doors.browser().get("/sign-in").await.text.contains("localhost"));
}

/// Somebody who came in by an issuer and has a passkey, and no password, is asked for the passkey.
#[sqlx::test(migrations = "../../migrations")]
async fn who_has_no_password_shows_a_passkey_on_the_page_of_the_account(pool: PgPool) {
    let doors = open(&pool).await;
    let mut ada = browser(&doors);
    ada.sign_up("ada@example.com").await;
    let mut authenticator = SoftAuthenticator::new(HERE);
    add(&mut ada, &mut authenticator, "Laptop").await;
    assert!(!ada.get("/account").await.text.contains("<script"), "who has a password shows that");
    sqlx::query("UPDATE users SET password = NULL").execute(&pool).await.unwrap();

    let page = ada.get("/account").await;
    let without = ada.fill("/account", "/account/password", &[("next", "kettle orbit mantle fog")]).await;
    let csrf = csrf(&page);
    let begun = ada.post("/account/passkeys/proof", &[("csrf", &csrf)]).await.json();
    let credential = authenticator.sign(&begun["options"]);
    let fields = [
        ("csrf", csrf.as_str()),
        ("next", "kettle orbit mantle fog"),
        ("proof_state", text(&begun["state"])),
        ("proof_credential", &credential),
    ];
    let set = ada.post("/account/password", &fields).await;

    let form = page.text.split("<form").find(|form| form.contains("/account/password")).unwrap();
    assert!(form.contains("data-passkey=\"prove\" data-origin=\"http://localhost:8080\""), "{form}");
    assert!(form.contains("name=\"proof_state\"") && !form.contains("name=\"current\""), "{form}");
    assert!(page.header("content-security-policy").contains(OWN_SCRIPT) && page.text.contains("/assets/passkeys.js"), "{page}");
    assert_eq!(without.status, StatusCode::FORBIDDEN, "{without}");
    assert!(without.text.contains("or by a passkey that you have"), "{without}");
    assert_eq!(set.header("location"), "/account?done=password", "{set}");
    assert!(browser(&doors).sign_in("ada@example.com", "kettle orbit mantle fog").await.status == StatusCode::SEE_OTHER);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_last_way_in_is_not_removed_on_the_page_and_by_the_api(pool: PgPool) {
    let doors = open(&pool).await;
    let mut ada = browser(&doors);
    ada.sign_up("ada@example.com").await;
    add(&mut ada, &mut SoftAuthenticator::new(HERE), "Laptop").await;
    sqlx::query("UPDATE users SET password = NULL").execute(&pool).await.unwrap();
    let listed = ada.fetch("GET", "/api/v1/account/passkeys", None).await.json();
    let id = text(&listed["items"][0]["passkey_id"]);

    let on_page = ada.fill("/account/passkeys", &format!("/account/passkeys/{id}/remove"), &[]).await;
    let by_api = ada.fetch("DELETE", &format!("/api/v1/account/passkeys/{id}"), None).await;

    assert_eq!((on_page.status, by_api.status), (StatusCode::CONFLICT, StatusCode::CONFLICT), "{by_api}");
    assert!(on_page.text.contains("This is your last way to sign in") && on_page.text.contains("Laptop"), "{on_page}");
}
