//! What the tests of the flow begin with: a server with a tool, a person with a browser, a client.

use std::{collections::BTreeMap, net::IpAddr};

use app::{
    Caller, PersonCaller, Who,
    accounts::{self, SignUp, Whereabouts},
};
use axum::body::Body;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::Digest;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;
use url::{Url, form_urlencoded};

use crate::client::{Answer, Client, Doors};

pub(super) const ISSUER: &str = "http://127.0.0.1:8080";
pub(super) const SERVER: &str = "http://127.0.0.1:8080/mcp/weather";
pub(super) const MANAGEMENT: &str = "http://127.0.0.1:8080/api/v1";
/// Where clients of the tests are answered to.
pub(super) const CALLBACK: &str = "https://client.test/callback";
pub(super) const PASSWORD: &str = "seventeen green bicycles";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// An installation in which Ada's customer serves `weather`, with the tool `greet`.
pub(super) struct World {
    pub(super) doors: Doors,
    /// Ada's customer, by its API key.
    pub(super) owner: Client,
    pub(super) ada: Browser,
}

/// A person's browser: it keeps cookies, and sends what browsers send. It follows no redirect by itself.
#[derive(Clone)]
pub(super) struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

/// A client that registered.
#[derive(Clone)]
pub(super) struct App {
    client: Client,
    pub(super) id: String,
    pub(super) redirect_uri: String,
}

impl World {
    pub(super) async fn open(pool: PgPool) -> Self {
        Self::of(Doors::open(pool).await).await
    }

    pub(super) async fn of(doors: Doors) -> Self {
        let (ada, person) = sign_up(&doors, "ada@example.com").await;
        let customer = accounts::load(doors.app(), &Caller::of(Who::Person(person))).await.unwrap().memberships[0].customer;
        let keys = format!("/admin/v1/customers/{customer}/api-keys");
        let key = doors.admin().post(&keys, json!({ "name": "test" })).await.json();
        let owner = doors.with_key(key["api_key"].as_str().unwrap());
        let server = json!({ "slug": "weather", "title": "Weather", "description": "Forecasts." });
        assert_eq!(owner.post("/api/v1/servers", server).await.status, StatusCode::CREATED);
        owner.put_greet().await;
        assert_eq!(owner.post("/api/v1/servers/weather/releases", json!({})).await.status, StatusCode::CREATED);
        Self { doors, owner, ada }
    }

    /// The same world, with the database taken away from it.
    pub(super) async fn lose_database(&self) {
        self.doors.lose_database().await;
    }

    /// Somebody else, who belongs to another customer.
    pub(super) async fn stranger(&self) -> Browser {
        sign_up(&self.doors, "bob@example.com").await.0
    }

    /// A browser in which nobody is signed in.
    pub(super) fn browser(&self) -> Browser {
        Browser { client: self.doors.anyone(), cookies: BTreeMap::new() }
    }

    /// A public client that registered with [`CALLBACK`].
    pub(super) async fn app(&self) -> App {
        self.app_at(CALLBACK).await
    }

    pub(super) async fn app_at(&self, redirect_uri: &str) -> App {
        let metadata =
            json!({ "client_name": "Example client", "redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none" });
        let registered = self.doors.anyone().post("/oauth/register", metadata).await;
        assert_eq!(registered.status, StatusCode::CREATED, "{registered}");
        let id = registered.json()["client_id"].as_str().unwrap().to_owned();
        App { client: self.doors.anyone(), id, redirect_uri: redirect_uri.to_owned() }
    }

    /// Tokens for `app`, by way of Ada.
    pub(super) async fn tokens(&self, app: &App) -> Value {
        let code = self.ada.clone().allow(&app.request()).await;
        let answer = app.redeem(&code).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        answer.json()
    }

    /// Calls the tool with a token.
    pub(super) async fn call(&self, token: &str) -> Answer {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "greet", "arguments": { "name": "Ada" } } });
        let request = Request::post("/mcp/weather")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25");
        self.doors.with_key(token).send_request(request.body(Body::from(body.to_string())).unwrap()).await
    }
}

impl Browser {
    /// The same browser, at the doors of another node.
    pub(super) fn at(&self, doors: &Doors) -> Self {
        Self { client: doors.anyone(), cookies: self.cookies.clone() }
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path_of(path)).header("sec-fetch-site", "none");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a form of a page of ours.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from(path, fields, "same-origin", ISSUER).await
    }

    /// Sends a form of a page of `origin`.
    pub(super) async fn post_from(&mut self, path: &str, fields: &[(&str, &str)], site: &str, origin: &str) -> Answer {
        let request = Request::post(path_of(path))
            .header("sec-fetch-site", site)
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form(fields))).unwrap()).await
    }

    /// The page on which `request` is decided, if nothing is in the way.
    pub(super) async fn consent_page(&mut self, request: &[(&str, &str)]) -> Answer {
        let begun = self.get(&format!("/oauth/authorize?{}", form(request))).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{begun}");
        self.get(begun.header("location")).await
    }

    /// Presses a button of the page, with `more` of its fields filled in; gives where that leads.
    pub(super) async fn decide(&mut self, page: &Answer, decision: &str, more: &[(&str, &str)]) -> Answer {
        assert_eq!(page.status, StatusCode::OK, "{page}");
        let (csrf, request) = (hidden(page, "csrf"), hidden(page, "request"));
        let mut fields = vec![("csrf", csrf.as_str()), ("request", &request), ("decision", decision)];
        fields.extend(more);
        self.post("/oauth/consent", &fields).await
    }

    /// Lets the client have what it asks for; gives the code.
    pub(super) async fn allow(&mut self, request: &[(&str, &str)]) -> String {
        let page = self.consent_page(request).await;
        let decided = self.decide(&page, "allow", &[]).await;
        assert_eq!(decided.status, StatusCode::SEE_OTHER, "{decided}");
        parameter(decided.header("location"), "code").expect("a code")
    }

    async fn send(&mut self, mut request: Request<Body>) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        let answer = self.client.send_request(request).await;
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

impl App {
    /// The same request by a client of another name.
    pub(super) fn request_of<'a>(&'a self, id: &'a str) -> Vec<(&'a str, &'a str)> {
        with(&self.request(), "client_id", id)
    }

    /// A request for a code for the server.
    pub(super) fn request(&self) -> Vec<(&str, &str)> {
        self.request_for(SERVER, "mcp:tools")
    }

    pub(super) fn request_for<'a>(&'a self, resource: &'a str, scope: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", scope),
            ("state", "st&te=1"),
            ("resource", resource),
            ("code_challenge", challenge()),
            ("code_challenge_method", "S256"),
        ]
    }

    pub(super) async fn redeem(&self, code: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", VERIFIER),
            ("client_id", &self.id),
            ("resource", SERVER),
        ];
        self.post("/oauth/token", &fields).await
    }

    pub(super) async fn refresh(&self, refresh_token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", self.id.as_str())];
        self.post("/oauth/token", &fields).await
    }

    pub(super) async fn revoke(&self, token: &str) -> Answer {
        self.post("/oauth/revoke", &[("token", token), ("client_id", &self.id)]).await
    }

    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        post_form(&self.client, path, &form(fields)).await
    }
}

/// Sends a form, as programs do.
pub(super) async fn post_form(client: &Client, path: &str, body: &str) -> Answer {
    let request =
        Request::builder().method(Method::POST).uri(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    client.send_request(request.body(Body::from(body.to_owned())).unwrap()).await
}

pub(super) fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The same parameters with another value of one of them; without it, if that is empty.
pub(super) fn with<'a>(request: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut changed: Vec<_> = request.iter().copied().filter(|(own, _)| *own != name).collect();
    if !value.is_empty() {
        changed.push((name, value));
    }
    changed
}

/// A parameter of an address.
pub(super) fn parameter(address: &str, name: &str) -> Option<String> {
    let address = Url::options().base_url(Some(&Url::parse(ISSUER).unwrap())).parse(address).unwrap();
    address.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

/// The value of a hidden field.
pub(super) fn hidden(page: &Answer, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let from = page.text.find(&start).unwrap_or_else(|| panic!("no field {name}: {page}")) + start.len();
    page.text[from..].split('"').next().unwrap().to_owned()
}

pub(super) fn verifier() -> &'static str {
    VERIFIER
}

/// Of RFC 7636, appendix B.
pub(super) const fn challenge() -> &'static str {
    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
}

#[test]
fn the_verifier_belongs_to_the_challenge() {
    assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(Digest::of(VERIFIER.as_bytes()).as_bytes()), challenge());
}

fn path_of(address: &str) -> &str {
    address.strip_prefix(ISSUER).unwrap_or(address)
}

async fn sign_up(doors: &Doors, email: &str) -> (Browser, PersonCaller) {
    let whereabouts = Whereabouts { address: IpAddr::from([127, 0, 0, 1]), device: "a test".to_owned() };
    let new = SignUp {
        email: email.parse().unwrap(),
        name: "Ada Example".parse().unwrap(),
        password: PASSWORD.into(),
        invitation: None,
    };
    let signed_in = accounts::sign_up(doors.app(), &Caller::of(Who::Anyone), whereabouts, new).await.unwrap();
    let cookies = BTreeMap::from([("toolwright".to_owned(), signed_in.token.expose().to_owned())]);
    (Browser { client: doors.anyone(), cookies }, signed_in.person)
}
