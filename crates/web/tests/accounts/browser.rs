//! A browser: it keeps cookies, says where requests come from, and fills in forms.

use std::{collections::BTreeMap, net::IpAddr};

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use serde_json::Value;
use url::form_urlencoded;
use web::PeerAddress;

use crate::client::{Answer, Client};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "violet tractor humming gate";
/// Where the doors are.
pub(crate) const ORIGIN: &str = "http://127.0.0.1:8080";

/// A browser.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    pub(crate) cookies: BTreeMap<String, String>,
    /// The host that it asks.
    pub(crate) host: String,
    /// What it says of the page that requests come from.
    pub(crate) origin: Option<String>,
    pub(crate) address: IpAddr,
}

impl Browser {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            cookies: BTreeMap::new(),
            host: "127.0.0.1:8080".to_owned(),
            origin: Some(ORIGIN.to_owned()),
            address: IpAddr::from([192, 0, 2, 1]),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None, Vec::new()).await
    }

    /// Loads the page at `path`, and sends a form of it with what is filled in.
    pub(crate) async fn fill(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(page).await;
        let csrf = csrf(&page);
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.post(action, &fields).await
    }

    /// Sends a form as it is.
    pub(crate) async fn post(&mut self, action: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, action, Some("application/x-www-form-urlencoded"), body.into_bytes()).await
    }

    /// What a page's script asks of the API.
    pub(crate) async fn fetch(&mut self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let media_type = body.as_ref().map(|_| "application/json");
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.send(method.parse().unwrap(), path, media_type, bytes).await
    }

    pub(crate) async fn sign_up(&mut self, email: &str) -> Answer {
        let fields = [("name", "Ada Lovelace"), ("email", email), ("password", PASSWORD)];
        let answer = self.fill("/sign-up", "/sign-up", &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer}");
        answer
    }

    pub(crate) async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        self.fill("/sign-in", "/sign-in", &[("email", email), ("password", password)]).await
    }

    /// Whether somebody is signed in with it.
    pub(crate) async fn is_signed_in(&mut self) -> bool {
        self.get("/account").await.status == StatusCode::OK
    }

    /// The value of its sign-in's cookie.
    pub(crate) fn token(&self) -> Option<&str> {
        self.cookies.get("toolwright").map(String::as_str)
    }

    /// Sends a request with its cookies, and keeps those that come back.
    pub(crate) async fn send(&mut self, method: Method, path: &str, media_type: Option<&str>, body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.host);
        if let Some(media_type) = media_type {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        if let Some(origin) = &self.origin {
            request = request.header(header::ORIGIN, origin);
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let request =
            request.header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
        let request = request.extension(PeerAddress(self.address)).body(Body::from(body)).unwrap();
        let answer = self.client.send_request(request).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

/// The token that the forms of a page carry.
pub(crate) fn csrf(page: &Answer) -> String {
    let (_, rest) = page.text.split_once("name=\"csrf\" value=\"").unwrap_or_else(|| panic!("no form in {page}"));
    rest.split('"').next().unwrap().to_owned()
}
