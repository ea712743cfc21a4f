//! Tools that reach the outside: grants, secrets, limits, and what is told of them.

use app::{
    PageRequest,
    breakers::{self, BreakerState, Force},
    environment::{self, NewEnvValue},
};
use domain::{Grants, LimitName, Outcome};
use egress::{BreakerConfig, EgressConfig};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions, Upstream};

use crate::sources::{eventually, exceeded, slug, tier};

const VALUE: &str = "sk-live-4f9a1c77e2";

/// Asks what it is told to ask, with a secret in a header, the query or the body.
const ASK: &str = r#"
import { tool } from "toolwright";
export default tool({
  name: "ask", description: "Asks.",
  input: { type: "object", properties: { url: { type: "string" }, with: { type: "string" } }, required: ["url"] },
  async run({ url, with: how }, ctx) {
    const key = how ? ctx.secret("KEY") : "";
    const init = { method: "POST", headers: {} };
    if (how === "header") init.headers.authorization = `Bearer ${key}`;
    if (how === "basic") init.headers.authorization = ctx.basicAuth("ada", "KEY");
    if (how === "body") { init.headers["content-type"] = "application/json"; init.body = JSON.stringify({ key }); }
    const answer = await fetch(url, init);
    return { held: String(key), status: answer.status, answer: await answer.json() };
  },
});
"#;

struct House {
    test: TestApp,
    customer: TestCustomer,
    upstream: Upstream,
}

impl House {
    /// A customer with the tool, which is granted the upstream, and the secret `KEY` there.
    async fn open(pool: &PgPool) -> Self {
        let upstream = Upstream::echo().await;
        // A host that is left alone stays so until a test has looked.
        let breaker = BreakerConfig { wait_ms_min: 60_000, ..BreakerConfig::default() };
        let egress = EgressConfig { breaker, ..upstream.egress() };
        let test = TestApp::start_with(pool, TestOptions { egress, ..TestOptions::default() }).await;
        let customer = test.customer("free").await;
        customer.create_server("asking").await.unwrap();
        let house = Self { test, customer, upstream };
        house.customer.put_with("asking", "ask", ASK, house.grants()).await.unwrap();
        house.customer.release("asking").await;
        house
    }

    fn grants(&self) -> Grants {
        let secrets = [("KEY".parse().unwrap(), vec![self.upstream.host().parse().unwrap()])].into();
        Grants { hosts: vec![self.upstream.grant()], secrets, ..Grants::default() }
    }

    async fn put_secret(&self, value: &str, hosts: &[&str]) {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        let new = NewEnvValue::Secret { value: value.into(), hosts };
        environment::put(self.test.app(), &self.customer.caller, &slug("asking"), "KEY".parse().unwrap(), new).await.unwrap();
    }

    async fn ask(&self, path: &str, how: &str) -> Outcome {
        self.customer.call("asking", "ask", json!({"url": self.upstream.url(path), "with": how})).await.unwrap().outcome
    }
}

fn result(outcome: &Outcome) -> Value {
    let Outcome::Success(answer) = outcome else { panic!("{outcome:?}") };
    answer.structured().unwrap().to_value()
}

fn failure(outcome: &Outcome) -> &str {
    let Outcome::ToolError(failure) = outcome else { panic!("{outcome:?}") };
    &failure.message
}

/// SEC-16
#[sqlx::test(migrations = "../../migrations")]
async fn a_secret_reaches_the_upstream_and_neither_the_guest_nor_the_answer(pool: PgPool) {
    let house = House::open(&pool).await;
    house.put_secret(VALUE, &[]).await;

    for (how, sent) in [("header", format!("Bearer {VALUE}")), ("basic", "Basic YWRhOnNrLWxpdmUtNGY5YTFjNzdlMg==".to_owned())] {
        let outcome = house.ask("/hello?a=1", how).await;

        assert_eq!(house.upstream.seen().last().unwrap().header("authorization"), sent);
        let result = result(&outcome);
        assert_eq!(result["answer"]["path"], "/hello?a=1");
        assert!(!format!("{outcome:?}").contains(VALUE) && !format!("{outcome:?}").contains("c2stbGl2ZS"), "{outcome:?}");
        assert_ne!(result["held"], VALUE);
    }
    let outcome = house.ask("/", "body").await;
    assert_eq!(house.upstream.seen().last().unwrap().body, json!({ "key": VALUE }).to_string());
    assert!(!format!("{outcome:?}").contains(VALUE), "{outcome:?}");
    house.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_new_value_counts_on_the_next_call_here_and_soon_on_other_nodes(pool: PgPool) {
    let house = House::open(&pool).await;
    let options =
        TestOptions { egress: house.upstream.egress(), artifacts: Some(house.test.artifacts()), ..TestOptions::default() };
    let other = TestApp::start_with(&pool, options).await;
    let ask_there = async || {
        let arguments = json!({"url": house.upstream.url("/"), "with": "header"});
        let request = testkit::request("ask", arguments);
        app::calls::call_tool(other.app(), &house.customer.caller, &slug("asking"), request).await.unwrap();
        house.upstream.seen().last().unwrap().header("authorization").to_owned()
    };
    house.put_secret("the first", &[]).await;
    house.ask("/", "header").await;
    assert_eq!(house.upstream.seen().last().unwrap().header("authorization"), "Bearer the first");
    assert_eq!(ask_there().await, "Bearer the first");

    house.put_secret("the second", &[]).await;
    house.ask("/", "header").await;

    assert_eq!(house.upstream.seen().last().unwrap().header("authorization"), "Bearer the second");
    eventually(async || (ask_there().await == "Bearer the second").then_some(())).await;
    house.test.stop().await;
    other.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_missing_secret_is_told_with_what_sets_it(pool: PgPool) {
    let house = House::open(&pool).await;

    let missing = house.ask("/", "header").await;

    let told = failure(&missing);
    assert!(told.contains("`KEY`") && told.contains("PUT") && told.contains("/env/KEY"), "{told}");
    assert!(house.upstream.seen().is_empty());
    house.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_secret_that_is_bound_to_other_hosts_stays_here(pool: PgPool) {
    let house = House::open(&pool).await;
    house.put_secret(VALUE, &["api.example.com"]).await;

    let refused = house.ask("/", "header").await;

    assert!(failure(&refused).contains("may not be sent to `upstream.localhost`"), "{refused:?}");
    assert!(house.upstream.seen().is_empty());
    house.put_secret(VALUE, &["*.example.com", "upstream.localhost"]).await;
    assert_eq!(result(&house.ask("/", "header").await)["status"], 200);
    house.test.stop().await;
}

/// SEC-11, SEC-12
#[sqlx::test(migrations = "../../migrations")]
async fn nothing_is_reached_that_was_not_granted_or_that_the_operator_does_not_allow(pool: PgPool) {
    let house = House::open(&pool).await;
    let elsewhere = house.upstream.url("/").replace("upstream.localhost", "other.localhost");

    let ungranted = house.customer.call("asking", "ask", json!({"url": elsewhere})).await.unwrap().outcome;
    assert!(failure(&ungranted).contains("not granted"), "{ungranted:?}");

    let strict =
        TestOptions { egress: EgressConfig::default(), artifacts: Some(house.test.artifacts()), ..TestOptions::default() };
    let strict = TestApp::start_with(&pool, strict).await;
    let request = testkit::request("ask", json!({"url": house.upstream.url("/")}));
    let private = app::calls::call_tool(strict.app(), &house.customer.caller, &slug("asking"), request).await.unwrap().outcome;
    assert!(failure(&private).contains("cannot be reached from here"), "{private:?}");
    assert!(house.upstream.seen().is_empty());
    house.test.stop().await;
    strict.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_tier_bounds_what_a_call_sends_and_receives(pool: PgPool) {
    let house = House::open(&pool).await;
    let answer = house.customer.call("asking", "ask", json!({"url": house.upstream.url("/")})).await.unwrap();
    assert!((200..5_000).contains(&answer.receipt.egress_bytes), "{:?}", answer.receipt);

    tier(&house.test, "free", |limits| limits.egress_bytes_max = 200).await;
    let outcome = house.ask("/", "").await;

    assert_eq!(outcome, Outcome::LimitExceeded(exceeded(LimitName::EgressBytesMax, 200, "free")));
    house.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_tier_that_allows_fewer_hosts_now_is_believed_now(pool: PgPool) {
    let house = House::open(&pool).await;

    tier(&house.test, "free", |limits| limits.granted_hosts_max = 0).await;
    let outcome = house.ask("/", "").await;
    let put = house.customer.put_with("asking", "ask", ASK, house.grants()).await;

    let limit = exceeded(LimitName::GrantedHostsMax, 0, "free");
    assert_eq!(outcome, Outcome::LimitExceeded(limit.clone()));
    assert!(matches!(put, Err(app::AppError::Limit(refused)) if refused == limit));
    assert!(house.upstream.seen().is_empty());
    house.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_try_and_an_example_use_secrets_as_a_call_does(pool: PgPool) {
    let house = House::open(&pool).await;
    house.put_secret(VALUE, &[]).await;
    let url = house.upstream.url("/example");
    let source =
        ASK.replace("async run(", &format!("examples: [{{ input: {{ url: {url:?}, with: \"header\" }} }}],\n  async run("));

    house.customer.put_with("asking", "ask", &source, house.grants()).await.unwrap();
    assert_eq!(house.upstream.seen().last().unwrap().header("authorization"), format!("Bearer {VALUE}"));

    let request = testkit::request("ask", json!({"url": house.upstream.url("/try"), "with": "header"}));
    let request = app::calls::TryRequest { version: None, call: request };
    app::calls::try_tool(house.test.app(), &house.customer.caller, &slug("asking"), request).await.unwrap();
    let seen = house.upstream.seen();
    assert_eq!(
        (seen.last().unwrap().path.as_str(), seen.last().unwrap().header("authorization")),
        ("/try", "Bearer sk-live-4f9a1c77e2")
    );
    house.test.stop().await;
}

/// RES-1: closed, open, forced.
#[sqlx::test(migrations = "../../migrations")]
async fn a_host_that_fails_is_left_alone_which_an_operator_sees_and_decides(pool: PgPool) {
    let house = House::open(&pool).await;
    let (app, admin) = (house.test.app(), house.test.admin());
    let host = house.upstream.host().parse().unwrap();
    let list = || breakers::list(app, &admin, &PageRequest::default()).unwrap().items;
    let (customer, options) = (house.customer.clone(), house.upstream.egress());
    let url = house.upstream.url("/");
    let ask = async || customer.call("asking", "ask", json!({"url": url})).await.unwrap().outcome;
    result(&ask().await);
    assert_eq!((list()[0].state, list()[0].successes), (BreakerState::Closed, 1));

    drop(house.upstream);
    eventually(async || {
        ask().await;
        (list()[0].state == BreakerState::Open).then_some(())
    })
    .await;

    let open = list().remove(0);
    assert_eq!((open.customer_id, open.host.as_str()), (Some(customer.id), "upstream.localhost"));
    assert!(open.failures >= u64::from(options.breaker.failures_max) && open.retry_after_ms.is_some(), "{open:?}");
    let refused = ask().await;
    assert!(failure(&refused).contains("circuit breaker of `upstream.localhost` is open"), "{refused:?}");

    breakers::force(app, &admin, &host, Force::Closed).await.unwrap();
    assert!(failure(&ask().await).contains("cannot connect"), "it is tried whatever fails");
    breakers::force(app, &admin, &host, Force::Open).await.unwrap();
    let refused = ask().await;
    assert!(failure(&refused).contains("circuit breaker of `upstream.localhost` is open"), "{refused:?}");
    assert_eq!((list()[0].state, list()[0].customer_id), (BreakerState::ForcedOpen, None));
    breakers::force(app, &admin, &host, Force::Automatic).await.unwrap();
    assert_eq!(list(), []);

    let usage = breakers::load_egress(app, &admin).unwrap();
    let errors: std::collections::BTreeMap<_, _> =
        usage.errors.into_iter().map(|(category, count)| (category.as_str(), count)).collect();
    assert!(errors["connect"] >= 5 && errors["open"] >= 2 && errors["tls"] == 0, "{errors:?}");
    house.test.stop().await;
}
