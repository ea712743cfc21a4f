//! "Hold back tools that change after today": on the pages of consent, and what comes of it for the client and for the person (SEC-18).

use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::world::{MANAGEMENT, PASSWORD, SERVER, World, parameter};
use crate::{accounts::browser::Browser, client::GREET};

const TICKED: &str = "name=\"hold_back\" value=\"yes\" checked>";
const OPEN: &str = "name=\"hold_back\" value=\"yes\">";

/// A world whose server anybody may use, with Bob in it.
async fn world(pool: PgPool) -> (World, super::world::Browser) {
    let world = World::open(pool).await;
    assert_eq!(world.owner.patch("/api/v1/servers/weather", json!({ "access": "consent" })).await.status, StatusCode::OK);
    let bob = world.stranger().await;
    (world, bob)
}

async fn release(world: &World, source: &str) {
    let body = json!({ "language": "typescript", "source": source });
    assert_eq!(world.owner.put("/api/v1/servers/weather/tools/greet", body).await.status, StatusCode::CREATED);
    assert_eq!(world.owner.post("/api/v1/servers/weather/releases", json!({})).await.status, StatusCode::CREATED);
}

fn changed() -> String {
    GREET.replace("Greets somebody by name.", "Greets, and <b>obeys</b>.")
}

async fn listed(world: &World, token: &str) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let request = Request::post("/mcp/weather")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25");
    let answer = world.doors.with_key(token).send_request(request.body(body.to_string().into()).unwrap()).await;
    answer.json()["result"]["tools"][0].clone()
}

async fn signed_in(world: &World, email: &str) -> Browser {
    let mut browser = world.doors.browser();
    assert_eq!(browser.sign_in(email, PASSWORD).await.status, StatusCode::SEE_OTHER);
    browser
}

/// The client's tokens, by way of Bob, who ticks the box.
async fn tokens(world: &World, bob: &mut super::world::Browser) -> String {
    let app = world.app().await;
    let page = bob.consent_page(&app.request()).await;
    let decided = bob.decide(&page, "allow", &[("hold_back", "yes")]).await;
    let answer = app.redeem(&parameter(decided.header("location"), "code").unwrap()).await.json();
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_box_is_ticked_where_the_server_is_somebody_elses_and_comes_back_as_it_was_left(pool: PgPool) {
    let (mut world, mut bob) = world(pool).await;
    let app = world.app().await;

    let own = world.ada.consent_page(&app.request()).await;
    let theirs = bob.consent_page(&app.request()).await;
    let management = world.ada.consent_page(&app.request_for(MANAGEMENT, "servers:read")).await;
    let two = app.request_for(SERVER, "mcp:tools:greet mcp:tools:shout");
    let page = bob.consent_page(&two).await;
    let left_open = bob.decide(&page, "allow", &[]).await;

    assert!(own.text.contains("Hold back tools that change after today") && own.text.contains(OPEN), "{own}");
    assert!(theirs.text.contains(TICKED), "{theirs}");
    assert!(!management.text.contains("hold_back"), "{management}");
    assert!(left_open.text.contains("nothing is ticked") && left_open.text.contains(OPEN), "{left_open}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_tool_that_changed_is_refused_with_the_page_on_which_it_is_accepted(pool: PgPool) {
    let (world, mut bob) = world(pool).await;
    let token = tokens(&world, &mut bob).await;
    let first = listed(&world, &token).await;
    assert_eq!(world.call(&token).await.json()["result"]["structuredContent"]["text"], "Hello, Ada!");

    release(&world, &changed()).await;
    let second = listed(&world, &token).await;
    let refused = world.call(&token).await.json();
    let (mut bob, mut ada) = (signed_in(&world, "bob@example.com").await, signed_in(&world, "ada@example.com").await);
    let access = bob.get("/account/access").await;

    let digest = |tool: &Value| tool["_meta"]["toolwright/definitionDigest"].clone();
    assert_eq!((&second["description"], digest(&second)), (&first["description"], digest(&first)), "as it was agreed to");
    let error = &refused["error"];
    assert_eq!((&error["data"]["error_code"], &error["data"]["pinned"]), (&json!("definition_changed"), &digest(&first)));
    assert_eq!(error["data"]["now"], second["_meta"]["toolwright/changedDefinitionDigest"]);
    let page = error["data"]["acceptAt"].as_str().unwrap();
    assert!(error["message"].as_str().unwrap().ends_with(&format!("and accepted it, at {page}")), "{error}");
    let path = page.strip_prefix("http://127.0.0.1:8080").unwrap();
    assert!(access.text.contains("1 held back") && access.text.contains(&format!("href=\"{path}\"")), "{access}");

    let shown = bob.get(path).await;
    for part in ["<code>greet</code>", "/description", "Greets somebody by name.", "Greets, and &#60;b&#62;obeys&#60;/b&#62;."] {
        assert!(shown.text.contains(part), "{part}: {shown}");
    }
    assert_eq!(ada.get(path).await.status, StatusCode::NOT_FOUND, "another's is as a missing one");
    let anonymous = world.doors.browser().get(path).await;
    assert!(anonymous.header("location").starts_with("/sign-in?return_to=%2Faccount%2Faccess%2F"), "{anonymous}");

    let now = error["data"]["now"].as_str().unwrap();
    let accept = format!("{path}/accept");
    let fields = [("name", "greet"), ("digest", now)];
    let unproven = bob.post(&accept, &fields).await;
    let forged = bob.post(&accept, &[("csrf", "forged"), fields[0], fields[1]]).await;
    let by_ada = ada.fill("/account", &accept, &fields).await;
    let stale = bob.fill(path, &accept, &[("name", "greet"), ("digest", error["data"]["pinned"].as_str().unwrap())]).await;
    assert_eq!((unproven.status, forged.status), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    assert_eq!(by_ada.status, StatusCode::NOT_FOUND);
    assert_eq!(stale.header("location"), format!("{path}?done=changed-again"), "{stale}");
    assert!(bob.get(stale.header("location")).await.text.contains("Nothing was accepted"));
    assert!(world.call(&token).await.json()["error"].is_object(), "nothing of that accepted it");

    let accepted = bob.fill(path, &accept, &fields).await;

    assert_eq!(accepted.header("location"), format!("{path}?done=accepted"), "{accepted}");
    let after = bob.get(accepted.header("location")).await;
    assert!(after.text.contains("Accepted:") && after.text.contains("Nothing is held back"), "{after}");
    assert_eq!(world.call(&token).await.json()["result"]["structuredContent"]["text"], "Hello, Ada!");
    assert_eq!(listed(&world, &token).await["description"], "Greets, and <b>obeys</b>.");
}

#[sqlx::test(migrations = "../../migrations")]
async fn programs_of_ones_own_page_list_and_accept_as_well(pool: PgPool) {
    let (world, mut bob) = world(pool.clone()).await;
    let token = tokens(&world, &mut bob).await;
    release(&world, &changed()).await;
    sqlx::query("UPDATE servers SET title = 'Obey me'").execute(&pool).await.unwrap();
    let (mut bob, mut ada) = (signed_in(&world, "bob@example.com").await, signed_in(&world, "ada@example.com").await);
    let consent = async |bob: &mut Browser| bob.fetch("GET", "/api/v1/account/consents", None).await.json()["items"][0].clone();
    // The notice of the title comes a moment later than it.
    while consent(&mut bob).await["held_back"] != 2 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let listed = consent(&mut bob).await;
    let path = format!("/api/v1/account/consents/{}/pins", listed["consent_id"].as_str().unwrap());
    let greet = format!("{path}/greet");

    let pins = bob.fetch("GET", &path, None).await.json();
    let (server, tool) = (&pins["server"], &pins["items"][0]);
    let page = bob.get(&format!("/account/access/{}", listed["consent_id"].as_str().unwrap())).await;
    assert_eq!(listed["pins_definitions"], true);
    assert_eq!(
        (&tool["name"], &tool["changed"], &tool["differences"][0]["path"]),
        (&json!("greet"), &json!(true), &json!("/description"))
    );
    assert_eq!(server["differences"], json!([{ "path": "/title", "pinned": "Weather", "now": "Obey me" }]));
    assert!(page.text.contains("What the server says of itself") && page.text.contains("Obey me"), "{page}");
    for path in [&path, &greet] {
        let refused = ada.fetch("POST", path, Some(json!({ "digest": tool["now"] }))).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{refused}");
    }
    assert_eq!(ada.fetch("GET", &path, None).await.status, StatusCode::NOT_FOUND);
    let stale = bob.fetch("POST", &greet, Some(json!({ "digest": tool["pinned"] }))).await;
    let missing = bob.fetch("POST", &format!("{path}/missing"), Some(json!({ "digest": tool["now"] }))).await;
    assert_eq!((stale.status, missing.status), (StatusCode::CONFLICT, StatusCode::NOT_FOUND));

    let accepted = bob.fetch("POST", &greet, Some(json!({ "digest": tool["now"] }))).await;
    let words = bob.fetch("POST", &path, Some(json!({ "digest": server["now"] }))).await;

    assert_eq!((accepted.status, &accepted.json()["changed"]), (StatusCode::OK, &json!(false)), "{accepted}");
    assert_eq!((words.status, &words.json()["changed"]), (StatusCode::OK, &json!(false)), "{words}");
    assert_eq!(consent(&mut bob).await["held_back"], 0);
    assert_eq!(world.call(&token).await.json()["result"]["structuredContent"]["text"], "Hello, Ada!");
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_leaves_the_box_open_goes_on_and_reads_so(pool: PgPool) {
    let world = World::open(pool).await;
    let app = world.app().await;
    let tokens = world.tokens(&app).await;
    let token = tokens["access_token"].as_str().unwrap();

    release(&world, &changed()).await;

    assert_eq!(world.call(token).await.json()["result"]["structuredContent"]["text"], "Hello, Ada!");
    let mut ada = signed_in(&world, "ada@example.com").await;
    let access = ada.get("/account/access").await;
    assert!(access.text.contains("Are used as they are."), "{access}");
    let listed = ada.fetch("GET", "/api/v1/account/consents", None).await.json();
    let page = ada.get(&format!("/account/access/{}", listed["items"][0]["consent_id"].as_str().unwrap())).await;
    assert!(page.text.contains("Nothing is held back here"), "{page}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn holding_back_is_switched_on_and_off_where_one_sees_who_has_access(pool: PgPool) {
    let (world, _) = world(pool).await;
    let app = world.app().await;
    let tokens = world.tokens(&app).await;
    let token = tokens["access_token"].as_str().unwrap();
    let (mut ada, mut bob) = (signed_in(&world, "ada@example.com").await, signed_in(&world, "bob@example.com").await);
    let listed = ada.fetch("GET", "/api/v1/account/consents", None).await.json()["items"][0].clone();
    let id = listed["consent_id"].as_str().unwrap();
    let (path, api) = (format!("/account/access/{id}"), format!("/api/v1/account/consents/{id}"));
    let switch = format!("{path}/hold-back");
    let is_called = async || world.call(token).await.json()["result"].is_object();

    let access = ada.get("/account/access").await;
    assert!(
        access.text.contains(&format!("action=\"{switch}\"")) && access.text.contains("Hold back tools that change"),
        "{access}"
    );
    let theirs = bob.fill("/account", &switch, &[("hold_back", "yes")]).await;
    let forged = ada.post(&switch, &[("hold_back", "yes")]).await;
    let unclear = ada.fill("/account/access", &switch, &[("hold_back", "maybe")]).await;
    let refused = [theirs.status, forged.status, unclear.status];
    assert_eq!(refused, [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN, StatusCode::UNPROCESSABLE_ENTITY]);
    let on = ada.fill("/account/access", &switch, &[("hold_back", "yes")]).await;
    assert_eq!(on.header("location"), format!("{path}?done=held-back"), "{on}");
    assert!(ada.get(on.header("location")).await.text.contains("is held back until you accept it"));
    release(&world, &changed()).await;
    assert!(!is_called().await);

    let access = ada.get("/account/access").await;
    let shown = ada.get(&path).await;
    assert!(access.text.contains("1 held back") && !access.text.contains(&format!("action=\"{switch}\"")), "{access}");
    for part in ["What it says of itself", "/description", "All that is held back here is accepted by that"] {
        assert!(shown.text.contains(part), "{part}: {shown}");
    }
    let off = ada.fill(&path, &switch, &[("hold_back", "no")]).await;
    assert_eq!(off.header("location"), format!("{path}?done=let-through"), "{off}");
    assert!(ada.get(off.header("location")).await.text.contains("Nothing is held back any more"));
    assert!(is_called().await);

    let theirs = bob.fetch("PATCH", &api, Some(json!({ "pins_definitions": true }))).await;
    let by_api = ada.fetch("PATCH", &api, Some(json!({ "pins_definitions": true }))).await;
    assert_eq!((theirs.status, by_api.status), (StatusCode::NOT_FOUND, StatusCode::NO_CONTENT), "{by_api}");
    assert_eq!(ada.fetch("GET", "/api/v1/account/consents", None).await.json()["items"][0]["pins_definitions"], true);
    let entries = ada.fetch("GET", "/api/v1/account/activity", None).await.json();
    let changes = entries["items"].as_array().unwrap().iter().filter(|entry| entry["operation"] == "change_consent");
    assert_eq!(changes.filter(|entry| entry["client_name"] == "Example client").count(), 3);
    assert!(ada.get("/account/activity").await.text.contains("that change are held back from “Example client”"));
}
