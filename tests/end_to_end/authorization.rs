//! A client's whole way against the real program, by plain HTTP: discovery, registration, a person who signs up and decides, tokens, a call,
//! and back; and what of it a restart keeps.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::Digest;
use reqwest::{Response, redirect::Policy};
use rustix::process::Signal;
use serde_json::{Value, json};
use url::Url;

use crate::{
    api::{Api, adder},
    program::{Home, Program},
};

const VERIFIER: &str = "a-verifier-of-the-test-with-more-than-forty-three-characters";
const CALLBACK: &str = "http://127.0.0.1:7777/callback";

/// A person's browser, as far as the pages need one.
struct Browser {
    client: reqwest::Client,
    base: String,
    cookie: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_its_way_by_the_documents_alone() {
    let home = Home::new();
    let program = home.serve().await;
    let mut browser = Browser::new(&program);
    browser.sign_up().await;
    serve_a_tool(&program).await;
    let http = client();

    let refused = http.post(browser.url("/mcp/sums")).json(&json!({})).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
    let metadata = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    let resource: Value = get_json(&http, metadata).await;
    assert_eq!(resource["resource"], browser.url("/mcp/sums"));
    let issuer = resource["authorization_servers"][0].as_str().unwrap();
    let server: Value = get_json(&http, &format!("{issuer}/.well-known/oauth-authorization-server")).await;
    assert_eq!(server["issuer"], issuer);
    let registration = json!({"client_name": "Client", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
    let registered = http.post(text(&server["registration_endpoint"])).json(&registration).send().await.unwrap();
    assert_eq!(registered.status(), 201);
    let client_id = registered.json::<Value>().await.unwrap()["client_id"].as_str().unwrap().to_owned();

    let code = browser.allow(text(&server["authorization_endpoint"]), &client_id, text(&resource["resource"]), issuer).await;
    let token_endpoint = text(&server["token_endpoint"]);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", &client_id),
        ("resource", text(&resource["resource"])),
    ];
    let tokens: Value = post(&http, token_endpoint, &form).await.json().await.unwrap();
    assert_eq!(add(&program, &tokens).await, json!({"sum": 42}));

    // A restart keeps consents, tokens and keys.
    assert!(program.stop(Signal::TERM).await.success());
    let program = home
        .serve_with(|command| {
            command.env("TOOLWRIGHT_PUBLIC_URL", &browser.base);
        })
        .await;
    let at = |url: &Value| text(url).replace(&browser.base, &format!("http://{}", program.address));
    assert_eq!(add(&program, &tokens).await, json!({"sum": 42}));
    let form =
        [("grant_type", "refresh_token"), ("refresh_token", text(&tokens["refresh_token"])), ("client_id", client_id.as_str())];
    let refreshed: Value = post(&http, &at(&server["token_endpoint"]), &form).await.json().await.unwrap();
    assert_eq!(add(&program, &refreshed).await, json!({"sum": 42}));

    let form = [("token", text(&refreshed["refresh_token"])), ("client_id", client_id.as_str())];
    assert_eq!(post(&http, &at(&server["revocation_endpoint"]), &form).await.status(), 200);
    for tokens in [tokens, refreshed] {
        let answer = Api::new(program.address, text(&tokens["access_token"])).call("sums", "add", json!({"n": 2})).await.unwrap();
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
    let log = program.log();
    for secret in [&code, VERIFIER, "correct horse"] {
        assert!(!log.contains(secret), "the log tells {secret}");
    }
}

impl Browser {
    fn new(program: &Program) -> Self {
        Self { client: client(), base: format!("http://{}", program.address), cookie: String::new() }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn sign_up(&mut self) {
        let page = self.get(&self.url("/sign-up")).await;
        let page = page.text().await.unwrap();
        let form = [
            ("csrf", hidden(&page, "csrf")),
            ("name", "Ada Example".to_owned()),
            ("email", "ada@example.com".to_owned()),
            ("password", "correct horse battery staple 7".to_owned()),
        ];
        assert_eq!(self.send("/sign-up", &form).await.status(), 303);
    }

    /// Follows a request of `client_id` to its page and allows it; gives the code.
    async fn allow(&mut self, endpoint: &str, client_id: &str, resource: &str, issuer: &str) -> String {
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Digest::of(VERIFIER.as_bytes()).as_bytes());
        let request = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", CALLBACK),
            ("scope", "mcp:tools"),
            ("state", "state of the client"),
            ("resource", resource),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let begun = self.get(Url::parse_with_params(endpoint, request).unwrap().as_str()).await;
        assert_eq!(begun.status(), 303);
        let page = self.get(&self.url(begun.headers()["location"].to_str().unwrap())).await.text().await.unwrap();
        let form = [("csrf", hidden(&page, "csrf")), ("request", hidden(&page, "request")), ("decision", "allow".to_owned())];
        let decided = self.send("/oauth/consent", &form).await;
        assert_eq!(decided.status(), 303);
        let location = Url::parse(decided.headers()["location"].to_str().unwrap()).unwrap();
        let parameter = |name: &str| location.query_pairs().find(|(own, _)| own == name).unwrap().1.into_owned();
        assert_eq!((parameter("state").as_str(), parameter("iss").as_str()), ("state of the client", issuer));
        parameter("code")
    }

    async fn get(&mut self, url: &str) -> Response {
        let answer = self.client.get(url).header("cookie", &self.cookie).send().await.unwrap();
        self.keep_cookie(answer)
    }

    async fn send(&mut self, path: &str, form: &[(&str, String)]) -> Response {
        let request = self.client.post(self.url(path)).header("cookie", &self.cookie).header("origin", &self.base);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer = request.send().await.unwrap();
        self.keep_cookie(answer)
    }

    /// The newest cookie is enough: that of a form, and then that of the sign-in.
    fn keep_cookie(&mut self, answer: Response) -> Response {
        let mut set = answer.headers().get_all("set-cookie").iter().filter_map(|set| set.to_str().ok()?.split(';').next());
        if let Some(cookie) = set.next_back() {
            cookie.clone_into(&mut self.cookie);
        }
        answer
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap()
}

/// The person's own customer serves `sums`, with a tool.
async fn serve_a_tool(program: &Program) {
    let customers = program.admin().get("/admin/v1/customers").await.expect(200);
    let path = format!("/admin/v1/customers/{}/api-keys", text(&customers["items"][0]["customer_id"]));
    let key = program.admin().post(&path, json!({"name": "test"})).await.expect(201);
    let owner = Api::new(program.address, text(&key["api_key"]));
    owner.create_server("sums").await;
    owner.put_tool("sums", "add", &adder("add", 40)).await;
    owner.release("sums").await;
}

async fn add(program: &Program, tokens: &Value) -> Value {
    let client = Api::new(program.address, text(&tokens["access_token"]));
    client.call("sums", "add", json!({"n": 2})).await.unwrap().expect(200)["result"]["structuredContent"].clone()
}

async fn get_json(http: &reqwest::Client, url: &str) -> Value {
    http.get(url).send().await.unwrap().json().await.unwrap()
}

async fn post(http: &reqwest::Client, url: &str, form: &[(&str, &str)]) -> Response {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body).send().await.unwrap()
}

fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    page.split(&start).nth(1).unwrap_or_else(|| panic!("no field {name}: {page}")).split('"').next().unwrap().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text but {value}"))
}
