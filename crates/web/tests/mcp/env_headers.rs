//! `X-Env-NAME`: secrets that callers bring for tools which act for them (SEC-7).

use http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{TestOptions, Upstream};

use super::{
    ERAS, Era, Mcp, Message,
    questions::{asking, everything, name, state},
};
use crate::client::{Answer, Doors};

const VALUE: &str = "lent-5e1f0c7b9d";

/// Does with the secret what its caller wants, and asks a question in between if it is to.
const BORROW: &str = r#"
import { tool } from "toolwright";
export default tool({
  name: "borrow", description: "Asks in its caller's name.",
  input: { type: "object", properties: { url: { type: "string" }, ask: { type: "boolean" }, fail: { type: "boolean" } }, required: ["url"] },
  async run({ url, ask, fail }, ctx) {
    const key = ctx.secret("USER_TOKEN");
    if (ask) await ctx.elicit({ key: "name", message: "Sure?", schema: { type: "object", properties: { name: { type: "string" } } } });
    const answer = await (await fetch(url, { headers: { authorization: `Bearer ${key}` } })).text();
    console.log(answer, key);
    if (fail) throw new Error(answer);
    return { answer, placeholder: key };
  },
});
"#;

struct Bank {
    doors: Doors,
    mcp: Mcp,
    upstream: Upstream,
}

impl Bank {
    /// A server whose tool takes `USER_TOKEN` from its caller; whose counts is as said.
    async fn open(pool: &PgPool, precedence: &str) -> Self {
        let upstream = Upstream::echo().await;
        let doors = Doors::open_with(pool, TestOptions { egress: upstream.egress(), ..TestOptions::default() }).await;
        let mcp = Mcp::serving(&doors, &[super::ADD]).await;
        let kept = mcp.client.patch("/api/v1/servers/checks", json!({ "keep_contents": "all" })).await;
        assert_eq!(kept.status, StatusCode::OK, "{kept}");
        let bank = Self { doors, mcp, upstream };
        bank.put(precedence).await;
        bank
    }

    async fn put(&self, precedence: &str) {
        let grants = json!({
            "hosts": [self.upstream.grant()],
            "secrets": { "USER_TOKEN": [self.upstream.host()] },
            "from_caller": { "USER_TOKEN": precedence },
        });
        let put = json!({ "language": "typescript", "source": BORROW, "grants": grants });
        let answer = self.mcp.client.put("/api/v1/servers/checks/tools/borrow", put).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer}");
        self.mcp.client.post("/api/v1/servers/checks/releases", json!({})).await;
    }

    fn message(&self, era: Era, more: &Value) -> Message {
        let mut arguments = json!({ "url": self.upstream.url("/") });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Message::request(era, "tools/call", json!({ "name": "borrow", "arguments": arguments }))
    }

    async fn borrow(&self, era: Era, more: &Value, header: Option<(&'static str, &str)>) -> Answer {
        let message = self.message(era, more);
        self.mcp
            .send(match header {
                Some((name, value)) => message.with_header(name, value),
                None => message,
            })
            .await
    }

    fn last_credential(&self) -> String {
        self.upstream.seen().last().unwrap().header("authorization").to_owned()
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_a_caller_brings_reaches_the_host_and_nothing_else(pool: PgPool) {
    let bank = Bank::open(&pool, "caller").await;

    let mut told = String::new();
    for era in ERAS {
        for more in [json!({}), json!({ "fail": true })] {
            let answer = bank.borrow(era, &more, Some(("x-env-user_token", VALUE))).await;
            assert_eq!(bank.last_credential(), format!("Bearer {VALUE}"), "{answer}");
            assert!(answer.text.contains("***"), "what the host repeats is masked: {answer}");
            told.push_str(&answer.text);
        }
    }
    for record in [bank.mcp.records("success", 2).await, bank.mcp.records("tool_error", 2).await].concat() {
        let path = format!("/api/v1/executions/{}", record["call_id"].as_str().unwrap());
        told.push_str(&bank.mcp.client.get(&path).await.text);
    }
    told.push_str(&bank.doors.admin().get("/metrics").await.text);
    told.push_str(&bank.mcp.client.get("/api/v1/servers/checks/env").await.text);

    assert!(!told.contains(VALUE), "{told}");
    assert!(told.contains("twsecret"), "the guest held a word in its place: {told}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn nothing_of_one_call_is_left_for_the_next(pool: PgPool) {
    let bank = Bank::open(&pool, "owner").await;
    bank.borrow(Era::PerRequest, &json!({}), Some(("x-env-user-token", VALUE))).await;
    let connections = bank.doors.admin().get("/admin/v1/egress").await.json();

    let without = bank.borrow(Era::PerRequest, &json!({}), None).await;

    assert!(without.text.contains("with the header X-Env-USER_TOKEN of the request: this request has none"), "{without}");
    assert_eq!(bank.upstream.seen().len(), 1);
    assert_eq!(connections["connections_idle"], 0, "no other call has its connection: {connections}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_the_owner_has_set_is_overridden_only_where_that_was_declared(pool: PgPool) {
    let bank = Bank::open(&pool, "owner").await;
    let secret = json!({ "value": "the owner's", "secret": true });
    assert_eq!(bank.mcp.client.put("/api/v1/servers/checks/env/USER_TOKEN", secret).await.status, StatusCode::OK);

    for (precedence, counts) in [("owner", "the owner's"), ("caller", VALUE)] {
        bank.put(precedence).await;
        bank.borrow(Era::PerRequest, &json!({}), Some(("x-env-user-token", VALUE))).await;
        assert_eq!(bank.last_credential(), format!("Bearer {counts}"), "{precedence}");
        bank.borrow(Era::PerRequest, &json!({}), None).await;
        assert_eq!(bank.last_credential(), "Bearer the owner's", "{precedence}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_no_tool_asked_for_is_refused_everywhere(pool: PgPool) {
    let bank = Bank::open(&pool, "caller").await;
    for (method, params) in [("tools/list", json!({})), ("tools/call", json!({ "name": "add", "arguments": { "a": 1, "b": 2 } }))]
    {
        let refused = bank.mcp.send(Message::request(Era::PerRequest, method, params).with_header("x-env-path", VALUE)).await;

        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused}");
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(message, "the header X-Env-path is not taken: the tools of this server ask for X-Env-USER_TOKEN");
    }
    for path in ["/api/v1/servers", "/health/live", "/", "/oauth/jwks", "/nothing"] {
        let mut request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        request.headers_mut().insert(HeaderName::from_static("x-env-user_token"), VALUE.parse().unwrap());
        let refused = bank.mcp.client.send_request(request).await;

        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {refused}");
        assert!(refused.text.contains("at /mcp/<server> only") && !refused.text.contains(VALUE), "{refused}");
    }
    let stranger = bank.doors.anyone();
    let mut request = http::Request::post("/mcp/checks").body(axum::body::Body::empty()).unwrap();
    request.headers_mut().insert(HeaderName::from_static("x-env-path"), VALUE.parse().unwrap());
    let refused = stranger.send_request(request).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "who may not use a server does not learn what it asks for: {refused}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn between_two_rounds_it_is_kept_nowhere_and_comes_again(pool: PgPool) {
    let bank = Bank::open(&pool, "caller").await;
    let ask = |brought: Value| {
        let mut params = json!({ "name": "borrow", "arguments": { "url": bank.upstream.url("/"), "ask": true } });
        params.as_object_mut().unwrap().extend(brought.as_object().unwrap().clone());
        asking("tools/call", params, &everything())
    };
    let asked = bank.mcp.send(ask(json!({})).with_header("x-env-user-token", VALUE)).await;
    let brought = json!({ "requestState": state(&asked), "inputResponses": { "name": name("Ada") } });
    let rows: Vec<Vec<u8>> = sqlx::query_scalar("SELECT sealed FROM journals").fetch_all(&pool).await.unwrap();

    let without = bank.mcp.send(ask(brought.clone())).await;
    let again = bank.mcp.send(ask(brought).with_header("x-env-user-token", "lent-anew")).await;

    assert!(rows.len() == 1 && !rows[0].windows(VALUE.len()).any(|window| window == VALUE.as_bytes()));
    assert!(without.text.contains("this call began with the header X-Env-USER_TOKEN"), "{without}");
    assert_eq!(bank.last_credential(), "Bearer lent-anew", "{again}");
    assert!(!again.text.contains("lent-anew"), "{again}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn callers_bring_only_secrets_that_say_where_they_go(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;
    let put = json!({ "language": "typescript", "source": BORROW, "grants": { "from_caller": { "USER_TOKEN": "caller" } } });

    let refused = mcp.client.put("/api/v1/servers/checks/tools/borrow", put).await;

    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("`from_caller` names `USER_TOKEN`, which `secrets` does not name"), "{refused}");
    assert_eq!(refused.header(header::CONTENT_TYPE.as_str()), "application/json");
}
