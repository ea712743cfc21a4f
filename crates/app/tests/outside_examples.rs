//! The examples that use the outside world, against an upstream on loopback: every case of `examples/NAME/cases.json`, with the grants that the
//! example asks for, but for the host.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use app::environment::{self, NewEnvValue};
use domain::{Answer, EnvName, Grants, Outcome};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions, Upstream, UpstreamAnswer};

use crate::sources::slug;

/// Headers that upstreams answer with.
const HEADERS: [&str; 4] = ["content-type", "retry-after", "x-ratelimit-remaining", "x-ratelimit-reset"];

/// An example on a server of its own, and what it asks.
struct Stage {
    test: TestApp,
    customer: TestCustomer,
    upstream: Upstream,
    answer: Arc<Mutex<UpstreamAnswer>>,
    name: &'static str,
}

impl Stage {
    async fn open(pool: &PgPool, name: &'static str, environment: &[(&str, NewEnvValue)]) -> Self {
        let answer = Arc::new(Mutex::new(UpstreamAnswer::json(&Value::Null)));
        let answers = Arc::clone(&answer);
        let upstream = Upstream::start(move |_| answers.lock().unwrap().clone()).await;
        let test = TestApp::start_with(pool, TestOptions { egress: upstream.egress(), ..TestOptions::default() }).await;
        let customer = test.customer("pro").await;
        customer.create_server("outside").await.unwrap();
        let stage = Self { test, customer, upstream, answer, name };
        for (name, value) in environment {
            stage.set(name.parse().unwrap(), value).await;
        }
        let source = stage.read("tool.ts");
        stage.customer.put_with("outside", name, &source, stage.grants()).await.unwrap();
        stage.customer.release("outside").await;
        stage
    }

    async fn set(&self, name: EnvName, value: &NewEnvValue) {
        let value = match value {
            NewEnvValue::Secret { value, hosts } => NewEnvValue::Secret { value: value.clone(), hosts: hosts.clone() },
            // Values are the upstream's URL: it is not known before.
            NewEnvValue::Plain(_) => NewEnvValue::Plain(self.upstream.url("").parse().unwrap()),
        };
        environment::put(self.test.app(), &self.customer.caller, &slug("outside"), name, value).await.unwrap();
    }

    /// What the example asks for, with the upstream in the place of the host.
    fn grants(&self) -> Grants {
        let mut grants: Grants = serde_json::from_str(&self.read("grants.json")).unwrap();
        grants.hosts = vec![self.upstream.grant()];
        let hosts = vec![self.upstream.host().parse().unwrap()];
        grants.secrets.values_mut().for_each(|granted| granted.clone_from(&hosts));
        grants
    }

    async fn call(&self, input: Value) -> Outcome {
        self.customer.call("outside", self.name, input).await.unwrap().outcome
    }

    async fn check_every_case(&self) {
        let cases: Vec<Value> =
            serde_json::from_str(&self.read("cases.json").replace("$UPSTREAM", &self.upstream.url(""))).unwrap();
        assert!(cases.len() >= 5, "{} has too few cases", self.name);
        for case in cases {
            self.check(&case).await;
        }
    }

    async fn check(&self, case: &Value) {
        let before = self.upstream.seen().len();
        *self.answer.lock().unwrap() = self.answer_of(&case["answer"]);

        let outcome = self.call(case["input"].clone()).await;

        let (name, seen) = (&case["name"], self.upstream.seen().split_off(before));
        assert_eq!(seen.len(), usize::from(case.get("answer").is_some()), "{name}: {seen:?}, {outcome:?}");
        if let Some(path) = case["asked"]["path"].as_str() {
            assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("GET", path), "{name}");
        }
        for (header, value) in case["asked"]["headers"].as_object().into_iter().flatten() {
            assert_eq!(seen[0].header(header), value.as_str().unwrap(), "{name}: {header}");
        }
        match (&outcome, case["error"].as_str()) {
            (Outcome::ToolError(failure), Some(error)) => assert!(failure.message.contains(error), "{name}: {failure:?}"),
            (Outcome::Success(answer), None) => {
                assert_eq!(answer.structured().map(domain::JsonText::to_value), Some(case["output"].clone()), "{name}");
                if let Some(content) = case.get("content") {
                    let Answer::Content(shown) = answer else { panic!("{name}: {answer:?}") };
                    assert_eq!(serde_json::to_value(&shown.content).unwrap(), *content, "{name}");
                }
            }
            _ => panic!("{name}: {outcome:?}"),
        }
    }

    fn answer_of(&self, answer: &Value) -> UpstreamAnswer {
        let given: BTreeMap<String, String> = serde_json::from_value(answer["headers"].clone()).unwrap_or_default();
        assert!(given.keys().all(|name| HEADERS.contains(&name.as_str())), "{given:?}");
        let mut headers: Vec<_> = HEADERS.into_iter().filter_map(|name| Some((name, given.get(name)?.clone()))).collect();
        let body = match (answer["json"].is_null(), answer["file"].as_str()) {
            (false, _) => {
                headers.push(("content-type", "application/json".to_owned()));
                answer["json"].to_string()
            }
            (true, Some(file)) => self.read(file),
            (true, None) => answer["text"].as_str().unwrap_or_default().to_owned(),
        };
        let status = u16::try_from(answer["status"].as_u64().unwrap_or(404)).unwrap().try_into().unwrap();
        UpstreamAnswer { status, headers, body: body.into_bytes() }
    }

    fn read(&self, file: &str) -> String {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(self.name).join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

fn url() -> NewEnvValue {
    NewEnvValue::Plain("http://replaced.test".parse().unwrap())
}

fn secret(value: &str) -> NewEnvValue {
    NewEnvValue::Secret { value: value.into(), hosts: vec![] }
}

#[sqlx::test(migrations = "../../migrations")]
async fn exchange_rates_answers_every_case_and_never_holds_its_key(pool: PgPool) {
    let environment = [("RATES_URL", url()), ("RATES_KEY", secret("rates-key-5f2c9a"))];
    let stage = Stage::open(&pool, "exchange_rates", &environment).await;

    stage.check_every_case().await;

    // A service that sends the key back does not get it into the answer.
    *stage.answer.lock().unwrap() =
        UpstreamAnswer::json(&json!({ "timestamp": 0, "base": "rates-key-5f2c9a", "rates": { "EUR": 1 } }));
    let outcome = stage.call(json!({ "from": "EUR", "to": ["USD"] })).await;
    assert!(!format!("{outcome:?}").contains("rates-key"), "{outcome:?}");
    stage.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn exchange_rates_without_its_key_says_what_to_set(pool: PgPool) {
    let stage = Stage::open(&pool, "exchange_rates", &[("RATES_URL", url())]).await;

    let Outcome::ToolError(failure) = stage.call(json!({ "from": "EUR", "to": ["USD"] })).await else { panic!("no key") };

    assert!(failure.message.contains("RATES_KEY"), "{failure:?}");
    assert!(stage.upstream.seen().is_empty());
    stage.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn page_to_markdown_answers_every_case(pool: PgPool) {
    let stage = Stage::open(&pool, "page_to_markdown", &[]).await;

    stage.check_every_case().await;
    stage.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn issue_search_answers_every_case(pool: PgPool) {
    let environment = [("ISSUES_URL", url()), ("ISSUES_TOKEN", secret("issues-token-77e1"))];
    let stage = Stage::open(&pool, "issue_search", &environment).await;

    stage.check_every_case().await;
    stage.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn issue_search_works_without_a_token(pool: PgPool) {
    let stage = Stage::open(&pool, "issue_search", &[("ISSUES_URL", url())]).await;
    *stage.answer.lock().unwrap() = UpstreamAnswer::json(&json!({ "total_count": 0, "items": [] }));

    let outcome = stage.call(json!({ "query": "x" })).await;

    assert!(matches!(outcome, Outcome::Success(_)), "{outcome:?}");
    assert_eq!(stage.upstream.seen()[0].header("authorization"), "");
    stage.test.stop().await;
}
