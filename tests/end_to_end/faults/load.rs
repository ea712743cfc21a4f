//! What people, clients and probes do all the time, and what they are answered.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{Api, adder},
    browser::{Browser, CALLBACK, VERIFIER, client, post, serve_a_tool, text},
    program::Program,
};

/// What was asked, and what came of it.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) what: What,
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    /// 0 if no answer came.
    pub(crate) status: u16,
    pub(crate) retry_after_s: Option<u32>,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum What {
    CallByKey,
    CallByToken,
    Deploy,
    SignIn,
    Token,
    Live,
    Ready,
}

impl What {
    /// What changes something or costs money without being a call of a loaded tool.
    pub(crate) const CHANGES: [Self; 3] = [Self::Deploy, Self::SignIn, Self::Token];
    pub(crate) const CALLS: [Self; 2] = [Self::CallByKey, Self::CallByToken];
    pub(crate) const ALL: [Self; 7] =
        [Self::CallByKey, Self::CallByToken, Self::Deploy, Self::SignIn, Self::Token, Self::Live, Self::Ready];
}

/// One deploy that was acknowledged: its version, and the number that its tool adds.
#[derive(Debug, Clone)]
pub(crate) struct Deployed {
    pub(crate) version: String,
    pub(crate) plus: i64,
}

/// The load, until it is stopped.
pub(crate) struct Load {
    pub(crate) owner: Api,
    samples: Arc<Mutex<Vec<Sample>>>,
    deployed: Arc<Mutex<Vec<Deployed>>>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// Between two requests of the same kind.
const PAUSE: Duration = Duration::from_millis(40);
/// No answer takes this long.
const ANSWER_MAX: Duration = Duration::from_secs(30);

impl Load {
    /// Somebody signs up, serves a tool, lets a client in; and from then on all of it is used.
    pub(crate) async fn start(program: &Program) -> Self {
        let mut browser = Browser::new(program);
        browser.sign_up().await;
        serve_a_tool(program).await;
        let owner = owner(program).await;
        owner.create_server("deployed").await;
        let (client_id, tokens) = let_in(program, &mut browser).await;
        let mut load =
            Self { owner, samples: Arc::default(), deployed: Arc::default(), stop: CancellationToken::new(), tasks: Vec::new() };
        let base = format!("http://{}", program.address);
        let access = text(&tokens["access_token"]).to_owned();
        let refresh = text(&tokens["refresh_token"]).to_owned();
        let owner_key = load.owner.key.clone();
        load.spawn(|asked| ask_always(asked, What::CallByKey, call(&base, &owner_key)));
        load.spawn(|asked| ask_always(asked, What::CallByToken, call(&base, &access)));
        for (what, path) in [(What::Live, "/health/live"), (What::Ready, "/health/ready")] {
            load.spawn(|asked| ask_always(asked, what, client().get(format!("{base}{path}"))));
        }
        let (owner, deployed) = (load.owner.clone(), Arc::clone(&load.deployed));
        load.spawn(|asked| deploy_always(asked, owner, deployed));
        load.spawn(|asked| sign_in_always(asked, base.clone()));
        load.spawn(|asked| refresh_always(asked, base.clone(), client_id, refresh));
        load
    }

    /// What was asked between two moments and answered.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Vec<Sample> {
        let samples = self.samples.lock().unwrap();
        samples.iter().filter(|sample| sample.began >= from && sample.began < to).cloned().collect()
    }

    pub(crate) fn deployed(&self) -> Vec<Deployed> {
        self.deployed.lock().unwrap().clone()
    }

    /// Waits until each of these went well after `from`; gives how long that took.
    pub(crate) async fn until_well(&self, from: Instant, whats: &[What], at_most: Duration) -> Duration {
        let is_well = |what| self.between(from, Instant::now()).iter().any(|sample| sample.what == what && sample.is_well());
        loop {
            let missing: Vec<_> = whats.iter().filter(|what| !is_well(**what)).collect();
            if missing.is_empty() {
                return from.elapsed();
            }
            assert!(from.elapsed() < at_most, "{missing:?} do not go after {at_most:?}: {:?}", self.last());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops, and gives all that was asked.
    pub(crate) async fn stop(self) -> Vec<Sample> {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        let samples = self.samples.lock().unwrap();
        samples.clone()
    }

    fn last(&self) -> Vec<Sample> {
        let samples = self.samples.lock().unwrap();
        samples.iter().rev().take(20).cloned().collect()
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, ask: impl FnOnce(Asked) -> F) {
        let asked = Asked { samples: Arc::clone(&self.samples), stop: self.stop.clone() };
        self.tasks.push(tokio::spawn(ask(asked)));
    }
}

impl Sample {
    pub(crate) fn is_well(&self) -> bool {
        (200..400).contains(&self.status)
    }
}

/// Whoever asks, and writes down what comes of it.
#[derive(Clone)]
struct Asked {
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: CancellationToken,
}

impl Asked {
    /// Whether to go on, after a pause.
    async fn goes_on(&self) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(PAUSE) => true,
        }
    }

    /// The answer's body, if all went well.
    async fn ask(&self, what: What, request: RequestBuilder) -> Option<Value> {
        let began = Instant::now();
        let answer = request.timeout(ANSWER_MAX).send().await;
        let mut sample = Sample { what, began, took: began.elapsed(), status: 0, retry_after_s: None, text: String::new() };
        match answer {
            Ok(answer) => {
                sample.status = answer.status().as_u16();
                sample.retry_after_s = answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
                sample.text = answer.text().await.unwrap_or_default();
            }
            Err(error) => sample.text = format!("{error:?}"),
        }
        sample.took = began.elapsed();
        let body = sample.is_well().then(|| serde_json::from_str(&sample.text).unwrap_or(Value::Null));
        self.samples.lock().unwrap().push(sample);
        body
    }
}

async fn ask_always(asked: Asked, what: What, request: RequestBuilder) {
    while asked.goes_on().await {
        asked.ask(what, request.try_clone().unwrap()).await;
    }
}

async fn deploy_always(asked: Asked, owner: Api, deployed: Arc<Mutex<Vec<Deployed>>>) {
    let server = format!("{}/api/v1/servers/deployed", owner.base);
    let mut plus = 0;
    while asked.goes_on().await {
        plus += 1;
        let source = json!({"language": "typescript", "source": adder("add", plus)});
        let put = client().put(format!("{server}/tools/add")).bearer_auth(&owner.key).json(&source);
        let Some(version) = asked.ask(What::Deploy, put).await else { continue };
        let release = client().post(format!("{server}/releases")).bearer_auth(&owner.key).json(&json!({}));
        if asked.ask(What::Deploy, release).await.is_some() {
            deployed.lock().unwrap().push(Deployed { version: text(&version["version_id"]).to_owned(), plus });
        }
    }
}

async fn sign_in_always(asked: Asked, base: String) {
    while asked.goes_on().await {
        let form = client().get(format!("{base}/sign-in")).timeout(ANSWER_MAX).send().await;
        let Ok(form) = form else { continue };
        let cookie = form.headers().get("set-cookie").and_then(|set| set.to_str().ok()?.split(';').next().map(str::to_owned));
        let page = form.text().await.unwrap_or_default();
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let fields = [("csrf", csrf), ("email", "ada@example.com"), ("password", "correct horse battery staple 7")];
        let request = send_form(&format!("{base}/sign-in"), &fields);
        asked.ask(What::SignIn, request.header("cookie", cookie.unwrap_or_default()).header("origin", &base)).await;
        // A password costs the machine something, and a person has so many tries.
        tokio::time::sleep(10 * PAUSE).await;
    }
}

async fn refresh_always(asked: Asked, base: String, client_id: String, mut refresh: String) {
    while asked.goes_on().await {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", &*refresh), ("client_id", &*client_id)];
        if let Some(tokens) = asked.ask(What::Token, send_form(&format!("{base}/oauth/token"), &fields)).await {
            text(&tokens["refresh_token"]).clone_into(&mut refresh);
        }
        tokio::time::sleep(5 * PAUSE).await;
    }
}

fn send_form(url: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    client().post(url).header("content-type", "application/x-www-form-urlencoded").body(form)
}

/// `tools/call` of the tool that is not deployed all the time.
fn call(base: &str, key: &str) -> RequestBuilder {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "arguments": {"n": 2}}});
    client()
        .post(format!("{base}/mcp/sums"))
        .bearer_auth(key)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25")
        .json(&message)
}

/// The person's own customer, by a key.
async fn owner(program: &Program) -> Api {
    let admin = program.admin();
    let customers = admin.get("/admin/v1/customers").await.expect(200);
    let path = format!("/admin/v1/customers/{}", text(&customers["items"][0]["customer_id"]));
    admin.patch(&path, json!({"tier": "enterprise"})).await.expect(200);
    let key = admin.post(&format!("{path}/api-keys"), json!({"name": "load"})).await.expect(201);
    Api::new(program.address, text(&key["api_key"]))
}

/// A client that the person lets in; its id and its tokens.
async fn let_in(program: &Program, browser: &mut Browser) -> (String, Value) {
    let (http, base) = (client(), format!("http://{}", program.address));
    let registration = json!({"client_name": "Client", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
    let registered = http.post(format!("{base}/oauth/register")).json(&registration).send().await.unwrap();
    let client_id = text(&registered.json::<Value>().await.unwrap()["client_id"]).to_owned();
    let resource = format!("{base}/mcp/sums");
    let code = browser.allow(&format!("{base}/oauth/authorize"), &client_id, &resource, &base).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &client_id),
        ("resource", &resource),
    ];
    let tokens: Value = post(&http, &format!("{base}/oauth/token"), &form).await.json().await.unwrap();
    (client_id, tokens)
}
