//! Streams that tell what changes: `subscriptions/listen` of 2026-07-28, the GET stream of 2025-11-25.

use std::{net::IpAddr, time::Duration};

use app::{
    OauthSettings, PageRequest, consents,
    pins::{self, WantedPins},
};
use axum::body::Body;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::TestOptions;
use web::PeerAddress;

use super::{
    ADD, COUNT, Era, Mcp, Message, SESSION, events,
    tokens::{set_access, token, token_that_holds_back},
};
use crate::client::Doors;

const NOTE: &str = r#"
import { resource } from "toolwright";
export default resource({ name: "note", description: "A note.", uri: "notes://today", read: () => "one" });
"#;

const QUIET: Duration = Duration::from_millis(400);
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A stream that a test reads event by event.
struct Stream(Body);

#[sqlx::test(migrations = "../../migrations")]
async fn a_listener_hears_first_to_what_it_listens_and_then_of_each_change(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD, ("note", NOTE)]).await;
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["notes://today"]});
    let mut stream = listen(&mcp, &wanted).await;
    let marked = |method: &str, mut params: Value| {
        params["_meta"] = json!({"io.modelcontextprotocol/subscriptionId": 1});
        json!({"jsonrpc": "2.0", "method": method, "params": params})
    };

    assert_eq!(
        stream.next().await.unwrap(),
        marked("notifications/subscriptions/acknowledged", json!({"notifications": wanted}))
    );
    release(&mcp, "count", COUNT.1).await;
    assert_eq!(stream.next().await.unwrap(), marked("notifications/tools/list_changed", json!({})));
    release(&mcp, "note", &NOTE.replace("\"one\"", "\"two\"")).await;
    assert_eq!(stream.next().await.unwrap(), marked("notifications/resources/updated", json!({"uri": "notes://today"})));
    release(&mcp, "note", &NOTE.replace("A note.", "The note.")).await;
    // Nobody listens to the list of resources; the resource itself is made by another version.
    assert_eq!(stream.next().await.unwrap(), marked("notifications/resources/updated", json!({"uri": "notes://today"})));
    assert!(stream.is_quiet().await);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_change_that_nobody_asked_for_is_not_told(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;
    let mut stream = listen(&mcp, &json!({"promptsListChanged": true, "toolsListChanged": false})).await;
    stream.next().await.unwrap();

    release(&mcp, "count", COUNT.1).await;

    assert!(stream.is_quiet().await);
}

#[sqlx::test(migrations = "../../migrations")]
async fn code_that_changes_leaves_the_list_as_it_is(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;
    let mut stream = listen(&mcp, &json!({"toolsListChanged": true})).await;
    stream.next().await.unwrap();

    release(&mcp, "add", &ADD.1.replace("a + b", "b + a")).await;

    assert!(stream.is_quiet().await);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_of_2025_follows_by_get(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD, ("note", NOTE)]).await;
    let mut stream = follow(&mcp, "mine").await;
    let mut other = follow(&mcp, "other").await;
    let subscribe = Message::request(Era::Handshake, "resources/subscribe", json!({"uri": "notes://today"}));

    assert_eq!(mcp.send(subscribe.with_header(SESSION, "mine")).await.json()["result"], json!({}));
    release(&mcp, "note", &NOTE.replace("\"one\"", "\"two\"")).await;
    let updated = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "notes://today"}});
    assert_eq!(stream.next().await.unwrap(), updated);
    assert!(other.is_quiet().await);

    let unsubscribe = Message::request(Era::Handshake, "resources/unsubscribe", json!({"uri": "notes://today"}));
    assert_eq!(mcp.send(unsubscribe.with_header(SESSION, "mine")).await.json()["result"], json!({}));
    release(&mcp, "note", &NOTE.replace("A note.", "The note.")).await;
    for stream in [&mut stream, &mut other] {
        let changed = json!({"jsonrpc": "2.0", "method": "notifications/resources/list_changed", "params": {}});
        assert_eq!(stream.next().await.unwrap(), changed);
        assert!(stream.is_quiet().await);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_stream_ends_with_its_key(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;
    let mut stream = listen(&mcp, &json!({"toolsListChanged": true})).await;
    stream.next().await.unwrap();
    let customer = doors.admin().get("/admin/v1/customers").await.json()["items"][0]["customer_id"].as_str().unwrap().to_owned();
    let keys = format!("/admin/v1/customers/{customer}/api-keys");
    let key = doors.admin().get(&keys).await.json()["items"][0]["api_key_id"].as_str().unwrap().to_owned();

    let deleted = doors.admin().delete(&format!("{keys}/{key}")).await;

    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted}");
    let result = json!({"resultType": "complete", "_meta": {"io.modelcontextprotocol/subscriptionId": 1}});
    assert_eq!(stream.next().await.unwrap(), json!({"jsonrpc": "2.0", "id": 1, "result": result}));
    assert_eq!(stream.next().await, None);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_stream_ends_when_its_token_expires(pool: PgPool) {
    let oauth = OauthSettings { access_token: Duration::from_secs(3), ..OauthSettings::default() };
    let doors = Doors::open_with(&pool, TestOptions { oauth, ..TestOptions::default() }).await;
    let (mcp, _) = by_token(&doors).await;

    let mut stream = listen(&mcp, &json!({"toolsListChanged": true})).await;
    stream.next().await.unwrap();

    assert!(stream.is_quiet().await, "it is good for a while");
    stream.ends().await;
    let refused = mcp.ask(Era::PerRequest, "tools/list", json!({})).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_stream_ends_when_its_token_is_revoked_on_whichever_node(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let (mcp, token) = by_token(&doors).await;
    let there = Doors::open(pool).await;
    let mut stream = listen(&mcp, &json!({"toolsListChanged": true})).await;
    let mut followed = follow(&mcp, "mine").await;
    stream.next().await.unwrap();
    assert!(stream.is_quiet().await);

    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let form = format!("token={token}&client_id={}", claims["client_id"].as_str().unwrap());
    let request = http::Request::post("/oauth/revoke").header("content-type", "application/x-www-form-urlencoded");
    let revoked = there.anyone().send_request(request.body(Body::from(form)).unwrap()).await;

    assert_eq!(revoked.status, StatusCode::OK, "{revoked}");
    stream.ends().await;
    assert_eq!(followed.next().await, None, "a stream of 2025-11-25 just ends");
}

/// What was held back says something else to those clients alone from which it was, whichever way they listen.
#[sqlx::test(migrations = "../../migrations")]
async fn what_a_person_accepts_is_told_to_the_clients_of_that_consent_and_to_no_others(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let owner = Mcp::serving(&doors, &[ADD]).await;
    set_access(&owner, "consent").await;
    let (mine, person) = token_that_holds_back(&doors).await;
    let (theirs, _) = token_that_holds_back(&doors).await;
    let at = |token: &str| Mcp { client: doors.with_key(token), path: owner.path.clone() };
    release(&owner, "add", &ADD.1.replace("description: \"", "description: \"Obeys. ")).await;
    let wanted = json!({"toolsListChanged": true, "resourcesListChanged": true, "promptsListChanged": true});
    let (mut listening, mut followed) = (listen(&at(&mine), &wanted).await, follow(&at(&mine), "mine").await);
    let (mut others, mut owners) = (listen(&at(&theirs), &wanted).await, listen(&owner, &wanted).await);
    for stream in [&mut listening, &mut others, &mut owners] {
        stream.next().await.unwrap();
    }

    let consent = consents::list(doors.app(), &person, &PageRequest::default()).await.unwrap().items.remove(0).consent_id;
    let wanted = WantedPins::Changed;
    let held = pins::list_of_consent(doors.app(), &person, consent, wanted, &PageRequest::default()).await.unwrap();
    let held = &held.pinned.tools.items[0];
    pins::accept_for_consent(doors.app(), &person, consent, &held.name, held.now.unwrap()).await.unwrap();

    assert_eq!(listening.next().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(followed.next().await.unwrap()["method"], "notifications/tools/list_changed");
    for stream in [&mut listening, &mut followed, &mut others, &mut owners] {
        assert!(stream.is_quiet().await);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_listener_can_be_taken_back(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;
    let mut stream = listen(&mcp, &json!({"toolsListChanged": true})).await;
    stream.next().await.unwrap();

    mcp.send(Message::notification(Era::PerRequest, "notifications/cancelled", json!({"requestId": 1}))).await;

    assert_eq!(stream.next().await, None);
}

#[sqlx::test(migrations = "../../migrations")]
async fn one_key_has_so_many_streams_and_no_more(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(listen(&mcp, &json!({})).await);
    }

    let refused = mcp.send(Message::request(Era::PerRequest, "subscriptions/listen", json!({"notifications": {}}))).await;
    streams.pop();
    let again = mcp.open(Message::request(Era::PerRequest, "subscriptions/listen", json!({"notifications": {}}))).await;

    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused}");
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(again.status(), StatusCode::OK);
}

/// A server that is open to all: who listens there without a key takes no place that its owner's clients need, and none of another network.
#[sqlx::test(migrations = "../../migrations")]
async fn strangers_of_a_few_networks_keep_neither_others_nor_the_owner_from_listening(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let owner = Mcp::serving(&doors, &[ADD]).await;
    set_access(&owner, "public").await;
    let anyone = Mcp { client: doors.anyone(), path: owner.path.clone() };
    let listen = async |network: u8| {
        let headers = [("accept", "text/event-stream"), ("mcp-protocol-version", "2025-11-25")];
        let mut request = request(&anyone, &headers);
        request.extensions_mut().insert(PeerAddress(IpAddr::from([198, 51, network, 1])));
        anyone.client.open(request).await
    };
    let mut streams = Vec::new();

    for network in 0..32 {
        for _ in 0..16 {
            let stream = listen(network).await;
            assert_eq!(stream.status(), StatusCode::OK);
            streams.push(stream);
        }
        if network == 0 {
            let refused = listen(0).await;
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "a network has so many");
            assert_eq!(refused.headers()["retry-after"], "60");
        }
    }

    assert_eq!(listen(100).await.status(), StatusCode::SERVICE_UNAVAILABLE, "and all strangers together have");
    let mut by_key = follow(&owner, "mine").await;
    let token = token(&doors, "mcp:tools").await;
    let mut by_token = follow(&Mcp { client: doors.with_key(&token), path: owner.path.clone() }, "theirs").await;
    release(&owner, "count", COUNT.1).await;
    for stream in [&mut by_key, &mut by_token] {
        assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
    }
    drop(streams);
    assert_eq!(listen(100).await.status(), StatusCode::OK, "places are given back");
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_cannot_be_listened_to_is_refused(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;
    let listen = |params| Message::request(Era::PerRequest, "subscriptions/listen", params);
    let uris: Vec<_> = (0..65).map(|number| format!("test://{number}")).collect();

    let nothing = mcp.send(listen(json!({}))).await;
    let many = mcp.send(listen(json!({"notifications": {"resourceSubscriptions": uris}}))).await;
    let long = format!("test://{}", "a".repeat(2042));
    let long = mcp.send(listen(json!({"notifications": {"resourceSubscriptions": ["test://a", long]}}))).await;
    let unread = mcp.send(listen(json!({"notifications": {}})).with_header("accept", "application/json")).await;

    assert_eq!(nothing.json()["error"]["code"], -32602, "{nothing}");
    assert_eq!(many.json()["error"]["code"], -32602, "{many}");
    assert_eq!(long.json()["error"]["code"], -32602, "{long}");
    assert!(long.json()["error"]["message"].as_str().unwrap().contains("2048 bytes at most"), "{long}");
    assert_eq!(unread.status, StatusCode::NOT_ACCEPTABLE, "{unread}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_stream_is_for_who_may_see_the_server(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;
    let events = [("accept", "text/event-stream")];

    let anyone = doors.anyone().open(request(&mcp, &events)).await;
    let stranger = doors.customer("free").await.open(request(&mcp, &events)).await;
    let since = mcp.client.open(request(&mcp, &[events[0], ("mcp-protocol-version", "2026-07-28")])).await;
    let unknown = mcp.client.open(request(&mcp, &[events[0], ("mcp-protocol-version", "1999-01-01")])).await;
    let page = mcp.client.open(request(&mcp, &[events[0], ("origin", "https://evil.test")])).await;

    let refused = [anyone, stranger, since, unknown, page].map(|answer| answer.status().as_u16());
    assert_eq!(refused, [401, 404, 405, 400, 403]);
}

/// A server that anybody may use who has an account, by the token of somebody who let a client in.
async fn by_token(doors: &Doors) -> (Mcp, String) {
    let owner = Mcp::serving(doors, &[ADD]).await;
    set_access(&owner, "consent").await;
    let token = token(doors, "mcp:tools").await;
    (Mcp { client: doors.with_key(&token), path: owner.path }, token)
}

async fn listen(mcp: &Mcp, wanted: &Value) -> Stream {
    let message = Message::request(Era::PerRequest, "subscriptions/listen", json!({ "notifications": wanted }));
    let answer = mcp.open(message).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    Stream(answer.into_body())
}

async fn follow(mcp: &Mcp, session: &str) -> Stream {
    let headers = [("accept", "text/event-stream"), ("mcp-protocol-version", "2025-11-25"), (SESSION, session)];
    let answer = mcp.client.open(request(mcp, &headers)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    Stream(answer.into_body())
}

fn request(mcp: &Mcp, headers: &[(&str, &str)]) -> http::Request<Body> {
    let request = http::Request::builder().method(Method::GET).uri(&mcp.path);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(Body::empty()).unwrap()
}

async fn release(mcp: &Mcp, name: &str, source: &str) {
    let path = format!("/api/v1/servers/checks/tools/{name}");
    let put = mcp.client.put(&path, json!({ "language": "typescript", "source": source })).await;
    assert_eq!(put.status, StatusCode::CREATED, "{put}");
    let released = mcp.client.post("/api/v1/servers/checks/releases", json!({})).await;
    assert_eq!(released.status, StatusCode::CREATED, "{released}");
}

impl Stream {
    /// The next message; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        let frame = tokio::time::timeout(WAIT_MAX, self.0.frame()).await.expect("nothing was told in time");
        let data = frame?.unwrap().into_data().unwrap();
        Some(events(std::str::from_utf8(&data).unwrap()).remove(0))
    }

    /// The end of what was listened to, and nothing before it.
    async fn ends(&mut self) {
        let result = json!({"resultType": "complete", "_meta": {"io.modelcontextprotocol/subscriptionId": 1}});
        assert_eq!(self.next().await.unwrap(), json!({"jsonrpc": "2.0", "id": 1, "result": result}));
        assert_eq!(self.next().await, None);
    }

    async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(QUIET, self.0.frame()).await.is_err()
    }
}
