//! What people let clients do, on `/account/access` and by REST: they see it, and take it back.

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::world::{MANAGEMENT, PASSWORD, World};
use crate::{
    accounts::{browser::Browser, own::eventually},
    client::{Answer, Doors},
};

/// Ada's browser, at these doors.
pub(super) async fn ada(doors: &Doors) -> Browser {
    let mut browser = doors.browser();
    let signed_in = browser.sign_in("ada@example.com", PASSWORD).await;
    assert_eq!(signed_in.status, StatusCode::SEE_OTHER, "{signed_in}");
    browser
}

/// Where the first form of the page for taking something back leads.
fn action(page: &Answer) -> String {
    let forms = page.text.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut ends = forms.filter(|action| action.starts_with("/account/access/") && action.ends_with("/end"));
    ends.next().unwrap_or_else(|| panic!("nothing to take back in {page}")).to_owned()
}

async fn consents(browser: &mut Browser) -> Vec<Value> {
    browser.fetch("GET", "/api/v1/account/consents", None).await.json()["items"].as_array().unwrap().clone()
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_let_nobody_in_reads_how_that_would_come_about(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut browser = doors.browser();
    browser.sign_up("eve@example.com").await;

    let account = browser.get("/account").await;
    let page = browser.get("/account/access").await;

    assert!(account.text.contains("href=\"/account/access\""), "{account}");
    assert_eq!(page.status, StatusCode::OK);
    for shown in ["No client may use anything in your name yet", "http://127.0.0.1:8080/mcp/…", "eve@example.com"] {
        assert!(page.text.contains(shown), "{shown}: {page}");
    }
    let anonymous = doors.browser().get("/account/access").await;
    assert_eq!(anonymous.header("location"), "/sign-in?return_to=%2Faccount%2Faccess");
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_taken_back_on_the_page_ends_on_every_node(pool: PgPool) {
    let world = World::open(pool.clone()).await;
    let there = Doors::open(pool).await;
    let app = world.app().await;
    let tokens = world.tokens(&app).await;
    let token = tokens["access_token"].as_str().unwrap();
    let mut ada = ada(&world.doors).await;
    let elsewhere = there.with_key(token);
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let use_there = async || {
        let request = http::Request::post("/mcp/weather")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25");
        elsewhere.send_request(request.body(list.to_string().into()).unwrap()).await.status
    };
    assert_eq!((world.call(token).await.status, use_there().await), (StatusCode::OK, StatusCode::OK));

    let page = ada.get("/account/access").await;
    for shown in [
        "Example client",
        "It registered itself: nobody has checked its name.",
        "<bdi>Weather</bdi>",
        "<code>/mcp/weather</code>",
        "use everything on this server",
        "and goes on while you are away",
        "Take back",
    ] {
        assert!(page.text.contains(shown), "{shown}: {page}");
    }
    let unproven = ada.post(&action(&page), &[]).await;
    let forged = ada.post(&action(&page), &[("csrf", "forged")]).await;
    for refused in [unproven, forged] {
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused}");
    }
    assert_eq!(world.call(token).await.status, StatusCode::OK);

    let taken = ada.fill("/account/access", &action(&page), &[]).await;

    assert_eq!(taken.header("location"), "/account/access?done=taken-back", "{taken}");
    assert_eq!(world.call(token).await.status, StatusCode::UNAUTHORIZED);
    eventually(async || use_there().await == StatusCode::UNAUTHORIZED).await;
    assert_eq!(app.refresh(tokens["refresh_token"].as_str().unwrap()).await.json()["error"], "invalid_grant");
    let after = ada.get("/account/access?done=taken-back").await;
    assert!(after.text.contains("role=\"status\">Taken back:") && after.text.contains("No client may"), "{after}");
    assert!(!ada.get("/account/access?done=%3Cscript%3E").await.text.contains("<script"), "a link says nothing of its own");
    let again = ada.fill("/account", &action(&page), &[]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn programs_of_ones_own_page_list_and_take_back_as_well(pool: PgPool) {
    let mut world = World::open(pool).await;
    world.stranger().await;
    let app = world.app().await;
    let tokens = world.tokens(&app).await;
    let mut ada = ada(&world.doors).await;
    let mut bob = world.doors.browser();
    bob.sign_in("bob@example.com", PASSWORD).await;

    let listed = consents(&mut ada).await;
    let [consent] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((&consent["client_name"], &consent["client_host"]), (&json!("Example client"), &Value::Null));
    assert_eq!((&consent["server"], &consent["customer"]), (&json!({ "slug": "weather", "title": "Weather" }), &Value::Null));
    assert_eq!(consent["scopes"], json!([{ "scope": "mcp:tools", "words": "use everything on this server" }]));
    assert_eq!((&consent["authorizations"], &consent["is_offline"]), (&json!(1), &json!(true)));
    assert!(consent["last_used_at"].is_string() && consent["given_at"].is_string(), "{consent}");
    let path = format!("/api/v1/account/consents/{}", consent["consent_id"].as_str().unwrap());

    assert!(consents(&mut bob).await.is_empty());
    assert_eq!(bob.fetch("DELETE", &path, None).await.status, StatusCode::NOT_FOUND, "another's is as a missing one");
    let page = bob.fill("/account", &format!("/account/access/{}/end", consent["consent_id"].as_str().unwrap()), &[]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert_eq!(world.call(tokens["access_token"].as_str().unwrap()).await.status, StatusCode::OK);

    assert_eq!(ada.fetch("DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.call(tokens["access_token"].as_str().unwrap()).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ada.fetch("DELETE", &path, None).await.status, StatusCode::NOT_FOUND);
    assert!(consents(&mut ada).await.is_empty());

    // One that looks after a customer's servers is told by the customer's name.
    let request = app.request_for(MANAGEMENT, "servers:read");
    let decided = world.ada.consent_page(&request).await;
    let customer = decided.text.split("name=\"customer\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    world.ada.decide(&decided, "allow", &[("customer", &customer)]).await;
    let listed = consents(&mut ada).await;
    assert_eq!((&listed[0]["customer"]["customer_id"], &listed[0]["server"]), (&json!(customer), &Value::Null));
    let page = ada.get("/account/access").await;
    let name = listed[0]["customer"]["name"].as_str().unwrap().replace('\'', "&#39;");
    for shown in ["Your tools’ management", "see your servers, tools and releases", name.as_str()] {
        assert!(page.text.contains(shown), "{shown}: {page}");
    }
}
