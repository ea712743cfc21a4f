//! Access tokens at the door: what they open, what they do not, and what a client is told then.

use app::{
    Caller, Whence, Who,
    accounts::{self, SignUp, Whereabouts},
    clients,
    tokens::{self, authorize},
};
use domain::UserId;
use http::StatusCode;
use oauth::{AuthorizationRequest, ClientAuthentication, Parameters, Registration, TokenRequest};
use serde_json::json;
use sqlx::PgPool;

use super::{ADD, COUNT, ERAS, Era, Mcp};
use crate::client::Doors;

const CALLBACK: &str = "http://127.0.0.1:7777/callback";
const RESOURCE: &str = "http://127.0.0.1:8080/mcp/checks";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A token for the server `checks` that somebody let a client have who is no member of its customer.
pub(super) async fn token(doors: &Doors, scope: &str) -> String {
    token_of(doors, scope, false).await.0
}

/// The same of a consent that holds back what changes, and who gave it.
pub(super) async fn token_that_holds_back(doors: &Doors) -> (String, Caller) {
    token_of(doors, "mcp:tools", true).await
}

async fn token_of(doors: &Doors, scope: &str, pins_definitions: bool) -> (String, Caller) {
    let app = doors.app();
    let whereabouts = Whereabouts { address: [127, 0, 0, 1].into(), device: "a test".to_owned() };
    let new = SignUp {
        email: format!("{}@example.com", UserId::new()).parse().unwrap(),
        name: "Somebody".parse().unwrap(),
        password: "seventeen green bicycles".into(),
        invitation: None,
    };
    let person = accounts::sign_up(app, &Caller::of(Who::Anyone), whereabouts, new).await.unwrap().person;
    let metadata = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}).to_string();
    let told = clients::register(app, Whence::default(), Registration::parse(metadata.as_bytes()).unwrap()).await.unwrap();
    let id = serde_json::to_value(told).unwrap()["client_id"].as_str().unwrap().to_owned();
    let query = form(&[
        ("response_type", "code"),
        ("client_id", &id),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", RESOURCE),
        ("scope", scope),
    ]);
    let asked = authorize::begin(app, &AuthorizationRequest::parse(app.issuer(), &query).unwrap()).await.unwrap();
    let decision = authorize::Decision::Allow { scopes: asked.scopes.clone(), customer: None, pins_definitions };
    let location = authorize::decide(app, &person, Whence::default(), &asked, decision).await.unwrap();
    let location = url::Url::parse(&location).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let body = form(&[("grant_type", "authorization_code"), ("client_id", &id), ("code", &code), ("code_verifier", VERIFIER)]);
    let body = Parameters::parse(&body).unwrap();
    let client = clients::authenticate(app, &ClientAuthentication::parse(None, &body).unwrap()).await.unwrap();
    let answer =
        tokens::exchange(app, &client, Whence::default(), TokenRequest::parse(app.issuer(), &body).unwrap()).await.unwrap();
    let token = serde_json::to_value(answer).unwrap()["access_token"].as_str().unwrap().to_owned();
    (token, Caller::of(Who::Person(person)))
}

pub(super) async fn set_access(owner: &Mcp, access: &str) {
    let changed = owner.client.patch("/api/v1/servers/checks", json!({ "access": access })).await;
    assert_eq!((changed.status, changed.json()["access"].as_str()), (StatusCode::OK, Some(access)));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_of_one_tool_shows_and_calls_it_and_names_what_others_need(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let owner = Mcp::serving(&doors, &[ADD, COUNT]).await;
    set_access(&owner, "consent").await;
    let token = token(&doors, "mcp:tools:add").await;
    let client = Mcp { client: doors.with_key(&token), path: owner.path.clone() };

    for era in ERAS {
        let listed = client.ask(era, "tools/list", json!({})).await.json();
        let names: Vec<_> = listed["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str()).collect();
        assert_eq!(names, [Some("add")]);
        let called = client.call(era, "add", json!({"a": 1, "b": 2})).await;
        assert_eq!(called.status, StatusCode::OK, "{called}");

        let refused = client.call(era, "count", json!({})).await;

        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let challenge = refused.header("www-authenticate");
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        assert!(challenge.contains("scope=\"mcp:tools:add mcp:tools:count\""), "{challenge}");
        assert!(challenge.contains("/.well-known/oauth-protected-resource/mcp/checks\""), "{challenge}");
    }
    let all = Mcp { client: doors.with_key(&self::token(&doors, "mcp:tools").await), path: owner.path };
    assert_eq!(all.ask(Era::PerRequest, "tools/list", json!({})).await.json()["result"]["tools"].as_array().unwrap().len(), 2);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_public_server_needs_no_token_and_takes_no_wrong_one(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let owner = Mcp::serving(&doors, &[ADD]).await;
    let at = |client| Mcp { client, path: owner.path.clone() };
    set_access(&owner, "public").await;

    for era in ERAS {
        let called = at(doors.anyone()).call(era, "add", json!({"a": 1, "b": 2})).await;
        assert_eq!(called.status, StatusCode::OK, "{called}");
        let wrong = at(doors.with_key("eyJhbGciOiJub25lIn0.e30.")).call(era, "add", json!({"a": 1, "b": 2})).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    }
    let token = token(&doors, "mcp:tools").await;
    assert_eq!(at(doors.with_key(&token)).ask(Era::PerRequest, "tools/list", json!({})).await.status, StatusCode::OK);
    set_access(&owner, "owner").await;
    for client in [doors.anyone(), doors.with_key(&token)] {
        let refused = at(client).ask(Era::PerRequest, "tools/list", json!({})).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_opens_no_other_door_and_none_from_a_query(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let owner = Mcp::serving(&doors, &[ADD]).await;
    set_access(&owner, "consent").await;
    let token = token(&doors, "mcp:tools").await;

    for path in ["/api/v1/servers", "/api/v1/account", "/admin/v1/customers"] {
        assert_eq!(doors.with_key(&token).get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let in_query = Mcp { client: doors.anyone(), path: format!("{}?access_token={token}", owner.path) };
    assert_eq!(in_query.ask(Era::PerRequest, "tools/list", json!({})).await.status, StatusCode::UNAUTHORIZED);
    let elsewhere = Mcp { client: doors.with_key(&token), path: "/mcp/absent".to_owned() };
    assert_eq!(elsewhere.ask(Era::PerRequest, "tools/list", json!({})).await.status, StatusCode::UNAUTHORIZED);
}
