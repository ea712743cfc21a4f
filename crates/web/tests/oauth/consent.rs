//! The page on which a person decides.

use domain::Scopes;
use http::StatusCode;
use serde_json::json;
use sqlx::PgPool;

use super::world::{MANAGEMENT, PASSWORD, SERVER, World, hidden, parameter};

#[sqlx::test(migrations = "../../migrations")]
async fn the_page_says_who_asks_for_what_and_where_the_answer_goes(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;

    let page = world.ada.consent_page(&app.request()).await;

    for shown in [
        "Example client",
        "It registered itself: nobody has checked its name.",
        "client.test",
        "Weather",
        "/mcp/weather",
        "ada@example.com",
        "Use another account",
        "use everything on this server",
        "Allow",
        "Deny",
        "in your account, under <a href=\"/account/access\">Access</a>, you can take it back",
    ] {
        assert!(page.text.contains(shown), "{shown}: {page}");
    }
    assert!(!page.text.contains("class=\"warning\""), "{page}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_on_the_own_machine_alone_is_warned_of(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app_at("http://127.0.0.1:4000/callback").await;

    let page = world.ada.consent_page(&app.request()).await;

    assert!(page.text.contains("This app runs on your own computer."), "{page}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn no_other_page_can_frame_it_and_its_form_ends_at_the_client(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;

    let page = world.ada.consent_page(&app.request()).await;

    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("form-action 'self' https://client.test;"), "{policy}");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("cache-control"), "no-store");
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_denied_is_told_to_the_client(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;

    let page = world.ada.consent_page(&app.request()).await;
    let decided = world.ada.decide(&page, "deny", &[]).await;

    assert_eq!(decided.status, StatusCode::SEE_OTHER);
    assert_eq!(parameter(decided.header("location"), "error").as_deref(), Some("access_denied"));
    assert!(parameter(decided.header("location"), "iss").is_some());
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_several_tools_a_person_ticks_some(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let request = app.request_for(SERVER, "mcp:tools:greet mcp:tools:shout");

    let page = world.ada.consent_page(&request).await;
    assert_eq!(page.text.matches("name=\"scope ").count(), 2, "{page}");
    let nothing = world.ada.decide(&page, "allow", &[]).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(nothing.text.contains("nothing is ticked"), "{nothing}");
    let decided = world.ada.decide(&page, "allow", &[("scope mcp:tools:greet", "yes")]).await;

    let tokens = app.redeem(&parameter(decided.header("location"), "code").unwrap()).await.json();
    assert_eq!(tokens["scope"], "mcp:tools:greet");
    assert_eq!(world.call(tokens["access_token"].as_str().unwrap()).await.status, StatusCode::OK);
}

#[sqlx::test(migrations = "../../migrations")]
async fn as_many_tools_can_be_ticked_as_can_be_asked_for(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let scopes: Vec<_> = (0..Scopes::COUNT_MAX).map(|number| format!("mcp:tools:tool_number_{number:02}")).collect();
    let asked = scopes.join(" ");
    let fields: Vec<_> = scopes.iter().map(|scope| format!("scope {scope}")).collect();
    let ticked: Vec<_> = fields.iter().map(|field| (field.as_str(), "yes")).collect();

    let page = world.ada.consent_page(&app.request_for(SERVER, &asked)).await;
    assert_eq!(page.text.matches("name=\"scope ").count(), Scopes::COUNT_MAX);
    let decided = world.ada.decide(&page, "allow", &ticked).await;

    assert_eq!(decided.status, StatusCode::SEE_OTHER, "{decided}");
    let tokens = app.redeem(&parameter(decided.header("location"), "code").unwrap()).await.json();
    assert_eq!(tokens["scope"], asked);
}

#[sqlx::test(migrations = "../../migrations")]
async fn for_the_management_a_person_chooses_one_of_their_customers(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let request = app.request_for(MANAGEMENT, "servers:read executions:read");

    let page = world.ada.consent_page(&request).await;
    assert_eq!(page.text.matches("type=\"radio\"").count(), 1, "{page}");
    let customer = page.text.split("name=\"customer\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [("customer", customer.as_str()), ("scope servers:read", "yes")];
    let decided = world.ada.decide(&page, "allow", &fields).await;

    let code = parameter(decided.header("location"), "code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", super::world::verifier()),
        ("client_id", &app.id),
        ("resource", MANAGEMENT),
    ];
    let tokens = app.post("/oauth/token", &fields).await.json();
    assert_eq!(tokens["scope"], "servers:read", "{tokens}");
    let client = world.doors.with_key(tokens["access_token"].as_str().unwrap());
    assert_eq!(client.get("/api/v1/servers").await.json()["items"][0]["slug"], "weather");
    assert_eq!(client.get("/api/v1/executions").await.status, StatusCode::FORBIDDEN, "what was not ticked is not given");
    let built = client.post("/api/v1/servers", json!({ "slug": "other", "title": "Other", "description": "." })).await;
    assert_eq!(built.status, StatusCode::FORBIDDEN, "{built}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_server_that_one_may_not_use_and_one_that_there_is_not_look_alike(pool: PgPool) {
    let world = World::open(pool).await;
    let app = world.app().await;
    let mut bob = world.stranger().await;
    let nowhere = SERVER.replace("weather", "nowhere");

    let theirs = bob.consent_page(&app.request()).await;
    let missing = bob.consent_page(&app.request_for(&nowhere, "mcp:tools")).await;

    assert_eq!(theirs.status, StatusCode::FORBIDDEN);
    assert!(theirs.text.contains("bob@example.com") && theirs.text.contains("Use another account"), "{theirs}");
    let unsealed = |page: &crate::client::Answer| page.text.split("return_to=").next().unwrap().to_owned();
    assert_eq!(unsealed(&theirs), unsealed(&missing), "SEC-17");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_open_server_is_for_anybody_who_has_an_account(pool: PgPool) {
    let world = World::open(pool).await;
    let changed = world.owner.patch("/api/v1/servers/weather", json!({ "access": "consent" })).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed}");
    let app = world.app().await;

    let code = world.stranger().await.allow(&app.request()).await;

    let tokens = app.redeem(&code).await.json();
    assert_eq!(world.call(tokens["access_token"].as_str().unwrap()).await.status, StatusCode::OK);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_page_that_is_too_old_or_of_another_sign_in_does_nothing(pool: PgPool) {
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let page = world.ada.consent_page(&app.request()).await;
    let mut bob = world.stranger().await;
    let bobs_page = bob.consent_page(&app.request()).await;
    assert_eq!(bobs_page.status, StatusCode::FORBIDDEN);

    // Bob's own forms with what was sealed for Ada.
    let sealed = hidden(&page, "request");
    let own = bob.consent_page(&app.request_for(MANAGEMENT, "servers:read")).await;
    let csrf = hidden(&own, "csrf");
    let decided = bob.post("/oauth/consent", &[("csrf", &csrf), ("request", &sealed), ("decision", "allow")]).await;

    assert_eq!((decided.status, decided.header("location")), (StatusCode::BAD_REQUEST, ""), "{decided}");
    assert!(decided.text.contains("This request has expired"), "{decided}");
    let shown = world.ada.get(&format!("/oauth/consent?request={sealed}")).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST, "a sealed decision is no sealed request");
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_password_ends_what_clients_were_let_do_unless_one_says_otherwise(pool: PgPool) {
    const OTHER: &str = "kettle orbit mantle fog";
    let mut world = World::open(pool).await;
    let app = world.app().await;
    let tokens = world.tokens(&app).await;
    let access_token = tokens["access_token"].as_str().unwrap();
    let change = async |browser: &mut super::world::Browser, fields: &[(&str, &str)]| {
        let csrf = hidden(&browser.get("/account").await, "csrf");
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        let changed = browser.post("/account/password", &fields).await;
        assert_eq!(changed.header("location"), "/account?done=password", "{changed}");
    };

    change(&mut world.ada, &[("current", PASSWORD), ("next", OTHER)]).await;
    assert_eq!(world.call(access_token).await.status, StatusCode::OK, "the box was not ticked");
    assert!(world.ada.get("/account").await.text.contains("name=\"end_clients\" value=\"yes\" checked"));
    change(&mut world.ada, &[("current", OTHER), ("next", PASSWORD), ("end_clients", "yes")]).await;

    assert_eq!(world.call(access_token).await.status, StatusCode::UNAUTHORIZED);
    let refreshed = app.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.json()["error"], "invalid_grant", "{refreshed}");
}
