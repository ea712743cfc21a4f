//! A person's browser on the real program, as far as the pages need one; and what a client does beside it.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::Digest;
use reqwest::{Response, redirect::Policy};
use serde_json::{Value, json};
use url::Url;

use crate::{
    api::{Api, adder},
    program::Program,
};

pub(crate) const VERIFIER: &str = "a-verifier-of-the-test-with-more-than-forty-three-characters";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:7777/callback";

/// A person's browser, as far as the pages need one.
pub(crate) struct Browser {
    client: reqwest::Client,
    pub(crate) base: String,
    cookie: String,
}

/// What a client is told when a person lets it in.
pub(crate) struct Allowed {
    pub(crate) code: String,
    pub(crate) issuer: String,
    /// That of the request by which the person decided.
    pub(crate) request_id: String,
}

impl Browser {
    pub(crate) fn new(program: &Program) -> Self {
        Self { client: client(), base: format!("http://{}", program.address), cookie: String::new() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) async fn sign_up(&mut self) {
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
    pub(crate) async fn allow(&mut self, endpoint: &str, client_id: &str, resource: &str, issuer: &str) -> String {
        let allowed = self.try_allow(endpoint, client_id, resource).await.unwrap();
        assert_eq!(allowed.issuer, issuer);
        allowed.code
    }

    /// The same; an error is a server that went away under it.
    pub(crate) async fn try_allow(&mut self, endpoint: &str, client_id: &str, resource: &str) -> reqwest::Result<Allowed> {
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
        let begun = self.try_get(Url::parse_with_params(endpoint, request).unwrap().as_str()).await?;
        assert_eq!(begun.status(), 303);
        let page = self.try_get(&self.url(begun.headers()["location"].to_str().unwrap())).await?.text().await?;
        let form = [("csrf", hidden(&page, "csrf")), ("request", hidden(&page, "request")), ("decision", "allow".to_owned())];
        let decided = self.try_send("/oauth/consent", &form).await?;
        assert_eq!(decided.status(), 303);
        let location = Url::parse(decided.headers()["location"].to_str().unwrap()).unwrap();
        let parameter = |name: &str| location.query_pairs().find(|(own, _)| own == name).unwrap().1.into_owned();
        assert_eq!(parameter("state"), "state of the client");
        let request_id = decided.headers()["x-request-id"].to_str().unwrap().to_owned();
        Ok(Allowed { code: parameter("code"), issuer: parameter("iss"), request_id })
    }

    pub(crate) async fn get(&mut self, url: &str) -> Response {
        self.try_get(url).await.unwrap()
    }

    async fn try_get(&mut self, url: &str) -> reqwest::Result<Response> {
        let answer = self.client.get(url).header("cookie", &self.cookie).send().await?;
        Ok(self.keep_cookie(answer))
    }

    /// The value of the newest cookie: after signing up, that of the sign-in.
    pub(crate) fn cookie_value(&self) -> &str {
        self.cookie.split_once('=').map_or("", |(_, value)| value)
    }

    async fn send(&mut self, path: &str, form: &[(&str, String)]) -> Response {
        self.try_send(path, form).await.unwrap()
    }

    async fn try_send(&mut self, path: &str, form: &[(&str, String)]) -> reqwest::Result<Response> {
        let request = self.client.post(self.url(path)).header("cookie", &self.cookie).header("origin", &self.base);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer = request.send().await?;
        Ok(self.keep_cookie(answer))
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

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap()
}

/// The person's own customer serves `sums`, with a tool.
pub(crate) async fn serve_a_tool(program: &Program) {
    let customers = program.admin().get("/admin/v1/customers").await.expect(200);
    let path = format!("/admin/v1/customers/{}/api-keys", text(&customers["items"][0]["customer_id"]));
    let key = program.admin().post(&path, json!({"name": "test"})).await.expect(201);
    let owner = Api::new(program.address, text(&key["api_key"]));
    owner.create_server("sums").await;
    owner.put_tool("sums", "add", &adder("add", 40)).await;
    owner.release("sums").await;
}

pub(crate) async fn add(program: &Program, tokens: &Value) -> Value {
    let client = Api::new(program.address, text(&tokens["access_token"]));
    client.call("sums", "add", json!({"n": 2})).await.unwrap().expect(200)["result"]["structuredContent"].clone()
}

pub(crate) async fn get_json(http: &reqwest::Client, url: &str) -> Value {
    http.get(url).send().await.unwrap().json().await.unwrap()
}

pub(crate) async fn post(http: &reqwest::Client, url: &str, form: &[(&str, &str)]) -> Response {
    try_post(http, url, form).await.unwrap()
}

/// The same; an error is a server that went away under it.
pub(crate) async fn try_post(http: &reqwest::Client, url: &str, form: &[(&str, &str)]) -> reqwest::Result<Response> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body).send().await
}

fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    page.split(&start).nth(1).unwrap_or_else(|| panic!("no field {name}: {page}")).split('"').next().unwrap().to_owned()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text but {value}"))
}
