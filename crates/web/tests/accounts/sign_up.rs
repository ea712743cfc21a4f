use app::accounts::{AccountSettings, SignUpPolicy};
use http::StatusCode;
use serde_json::json;
use sqlx::PgPool;
use testkit::TestOptions;

use super::browser::PASSWORD;
use crate::client::Doors;

pub(super) fn closed() -> TestOptions {
    let accounts = AccountSettings { sign_up: SignUpPolicy::Closed, password_threads: 2, ..AccountSettings::default() };
    TestOptions { accounts, ..TestOptions::default() }
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_signs_up_owns_a_free_customer_of_their_own(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut browser = doors.browser();

    let answer = browser.sign_up("Ada@Example.com").await;

    assert_eq!(answer.header("location"), "/account");
    let customers = doors.admin().get("/admin/v1/customers").await.json();
    assert_eq!((&customers["items"][0]["name"], &customers["items"][0]["tier"]), (&json!("Ada Lovelace"), &json!("free")));
    let made = browser.fetch("POST", "/api/v1/servers", Some(json!({ "slug": "weather", "title": "Weather" }))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_wrong_is_told_beside_its_field_and_what_was_typed_is_kept_but_for_the_password(pool: PgPool) {
    let doors = Doors::open(pool).await;
    doors.browser().sign_up("ada@example.com").await;
    let mut browser = doors.browser();
    for (name, email, password, status, fault) in [
        ("", "no address", PASSWORD, 422, "id=\"name-fault\">Say what you are called"),
        ("Eve", "no address", PASSWORD, 422, "id=\"email-fault\">Use an e-mail address"),
        ("Eve", "eve@example.com", "short", 422, "id=\"password-fault\">Use 12 characters at least"),
        ("Eve", "eve@example.com", "password1234", 422, "id=\"password-fault\">This is among the passwords"),
        ("Eve", "eve.the@example.com", "I am eve.the first", 422, "id=\"password-fault\">Leave your e-mail address out"),
        ("Eve", "ADA@example.com", PASSWORD, 409, "id=\"email-fault\">There is an account"),
    ] {
        let fields = [("name", name), ("email", email), ("password", password)];

        let answer = browser.fill("/sign-up", "/sign-up", &fields).await;

        assert_eq!(answer.status, status, "{answer}");
        assert!(answer.text.contains(fault), "{fault}: {answer}");
        assert!(answer.text.contains("role=\"alert\""), "{answer}");
        assert!(answer.text.contains(&format!("value=\"{email}\"")), "{answer}");
        assert!(!answer.text.contains(password), "{answer}");
        assert!(answer.text.contains("aria-invalid=\"true\" aria-describedby="), "{answer}");
    }
    assert_eq!(browser.token(), None);
}

#[sqlx::test(migrations = "../../migrations")]
async fn where_sign_up_is_closed_one_needs_an_invitation(pool: PgPool) {
    let doors = Doors::open_with(&pool, closed()).await;
    let mut browser = doors.browser();
    let page = browser.get("/sign-up").await;
    assert!(page.text.contains("One needs an invitation") && !page.text.contains("type=\"password\""), "{page}");
    let fields = [("name", "Ada"), ("email", "ada@example.com"), ("password", PASSWORD)];
    let refused = browser.fill("/sign-in", "/sign-up", &fields).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused}");

    let customer = doors.admin().post("/admin/v1/customers", json!({ "name": "Example Ltd", "tier": "pro" })).await.json();
    let path = format!("/admin/v1/customers/{}/invitations", customer["customer_id"].as_str().unwrap());
    let invitation = doors.admin().post(&path, json!({ "role": "owner", "email": "Ada@example.com" })).await;
    assert_eq!(invitation.status, StatusCode::CREATED, "{invitation}");
    let link = invitation.json()["link"].as_str().unwrap().to_owned();
    let token = link.strip_prefix("http://127.0.0.1:8080/invitations/").unwrap();
    let page = browser.get(&format!("/sign-up?invitation={token}")).await;
    assert!(page.text.contains("Example Ltd") && page.text.contains("value=\"ada@example.com\""), "{page}");
    let fields = [("invitation", token), fields[0], fields[1], fields[2]];
    let joined = browser.fill("/sign-in", "/sign-up", &fields).await;

    assert_eq!(joined.status, StatusCode::SEE_OTHER, "{joined}");
    let account = browser.fetch("GET", "/api/v1/account", None).await.json();
    let customers = account["customers"].as_array().unwrap();
    assert_eq!((customers.len(), &customers[0]["name"], &customers[0]["role"]), (1, &json!("Example Ltd"), &json!("owner")));
}
