//! An issuer of OpenID Connect on loopback, for tests of signing in by one: honest as it starts, and hostile as a test wishes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use app::accounts::{
    SignUpPolicy,
    upstream::{UpstreamIssuer, UpstreamSettings},
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use domain::{Clock as _, Digest, SystemClock};
use egress::EgressConfig;
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::{SecretKey, pkcs8::EncodePrivateKey as _};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::{SeenRequest, Upstream, UpstreamAnswer};

const CLIENT_ID: &str = "toolwright";
const CLIENT_SECRET: &str = "what only the two of them know";
/// More than anybody reads.
const GIANT_BYTES: usize = 4 * 1024 * 1024;

/// An issuer on a port of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct TestIssuer {
    upstream: Upstream,
    state: Arc<Mutex<IssuerState>>,
}

/// What an issuer does and says.
#[derive(Debug, Clone)]
pub struct IssuerState {
    /// Claims about whoever is signed in there, over the usual ones; null takes one away.
    pub claims: Value,
    /// What the user info endpoint says besides `sub`; without it there is none.
    pub user_info: Option<Value>,
    /// The access token that is given out.
    pub access_token: String,
    /// The number of the key that it signs with.
    pub signing_key: u8,
    /// The numbers of the keys that it shows.
    pub shown_keys: Vec<u8>,
    /// What it says that it signs with: `ES256`, `HS256` (with the client's secret) or `none`.
    pub algorithm: &'static str,
    /// What its answers say who it is; without it, nothing.
    pub answer_issuer: Option<String>,
    /// Whether it says that all its answers say so.
    pub promises_issuer: bool,
    /// Whether it lets a code be redeemed more than once.
    pub redeems_again: bool,
    /// A path at which it answers what is too long.
    pub giant_at: Option<&'static str>,
    /// Whether it answers 503 to everything.
    pub is_away: bool,
    /// Entries of its discovery document, over the usual ones.
    pub discovery: Value,
    codes: BTreeMap<String, Code>,
}

/// A code that waits to be redeemed.
#[derive(Debug, Clone)]
struct Code {
    /// Whether it was asked to say when somebody last showed who they are (OpenID Connect Core 1.0, section 2).
    says_when: bool,
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

impl Default for IssuerState {
    fn default() -> Self {
        Self {
            claims: json!({}),
            user_info: None,
            access_token: "an access token".replace(' ', "-"),
            signing_key: 1,
            shown_keys: vec![1],
            algorithm: "ES256",
            answer_issuer: None,
            promises_issuer: false,
            redeems_again: false,
            giant_at: None,
            is_away: false,
            discovery: json!({}),
            codes: BTreeMap::new(),
        }
    }
}

impl TestIssuer {
    /// An honest issuer, at which Ada is signed in.
    pub async fn start() -> Self {
        let state = Arc::<Mutex<IssuerState>>::default();
        let answering = Arc::clone(&state);
        let upstream = Upstream::start(move |request| lock(&answering).answer(request)).await;
        Self { upstream, state }
    }

    /// Its identifier.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.upstream.url("").trim_end_matches('/').to_owned()
    }

    /// A way out on which these can be reached.
    #[must_use]
    pub fn egress(issuers: &[&Self]) -> EgressConfig {
        let allow_private = issuers.iter().map(|issuer| issuer.upstream.host_and_port()).collect();
        EgressConfig { allow_private, ..EgressConfig::default() }
    }

    /// What an operator says of it, under the id `id`.
    #[must_use]
    pub fn settings(&self, id: &str) -> UpstreamSettings {
        UpstreamSettings {
            id: id.parse().expect("an id"),
            title: id.to_uppercase(),
            issuer: UpstreamIssuer::parse(&self.issuer()).expect("an issuer"),
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.into(),
            scopes: ["openid", "email", "profile"].map(str::to_owned).into(),
            email_domains: Vec::new(),
            sign_up: SignUpPolicy::Open,
        }
    }

    /// Makes it do and say something else from now on.
    pub fn change(&self, change: impl FnOnce(&mut IssuerState)) {
        change(&mut lock(&self.state));
    }

    /// What it was asked so far at `path`.
    #[must_use]
    pub fn asked(&self, path: &str) -> usize {
        self.upstream.seen().iter().filter(|request| request.path == path).count()
    }

    /// What becomes of a browser that is sent to `location`: where it is sent back to, a path of ours with its query.
    #[must_use]
    pub fn visit(&self, location: &str) -> String {
        let location = Url::parse(location).expect("the issuer's address is one");
        assert_eq!(location.origin(), Url::parse(&self.issuer()).expect("the issuer is a URL").origin(), "{location}");
        let back = lock(&self.state).authorize(location.query().unwrap_or_default());
        let back = Url::parse(&back).expect("the redirect address is one");
        format!("{}?{}", back.path(), back.query().unwrap_or_default())
    }
}

impl IssuerState {
    fn answer(&mut self, request: &SeenRequest) -> UpstreamAnswer {
        let host = request.headers.get("host").and_then(|host| host.to_str().ok()).expect("the request names its host");
        let issuer = format!("http://{host}");
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if self.is_away {
            return refusal(StatusCode::SERVICE_UNAVAILABLE, &json!({}));
        }
        if self.giant_at == Some(path) {
            return UpstreamAnswer::json(&json!({ "giant": "x".repeat(GIANT_BYTES) }));
        }
        match path {
            "/.well-known/openid-configuration" => UpstreamAnswer::json(&self.discovery(&issuer)),
            "/jwks" => UpstreamAnswer::json(&json!({ "keys": self.shown_keys.iter().map(|key| jwk(*key)).collect::<Vec<_>>() })),
            "/authorize" => {
                let headers = vec![("location", self.authorize(query))];
                UpstreamAnswer { status: StatusCode::SEE_OTHER, headers, body: Vec::new() }
            }
            "/token" => self.redeem(&issuer, request),
            "/userinfo" => UpstreamAnswer::json(&over(json!({ "sub": "ada-1" }), self.user_info.as_ref().unwrap_or(&json!({})))),
            _ => refusal(StatusCode::NOT_FOUND, &json!({})),
        }
    }

    fn discovery(&self, issuer: &str) -> Value {
        let usual = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "email", "email_verified", "name"],
            "authorization_response_iss_parameter_supported": self.promises_issuer,
        });
        let more = self.user_info.as_ref().map_or(json!({}), |_| json!({ "userinfo_endpoint": format!("{issuer}/userinfo") }));
        over(over(usual, &more), &self.discovery)
    }

    /// Lets whoever comes sign in, and sends them back (RFC 6749, section 4.1.2).
    fn authorize(&mut self, query: &str) -> String {
        let fields: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let field = |name: &str| fields.get(name).cloned().unwrap_or_else(|| panic!("no {name} in {query}"));
        assert_eq!((field("response_type"), field("client_id")), ("code".to_owned(), CLIENT_ID.to_owned()));
        assert_eq!(field("code_challenge_method"), "S256");
        assert!(field("scope").split(' ').any(|scope| scope == "openid"));
        let code = format!("code-{}", self.codes.len());
        let (nonce, challenge, redirect_uri) = (field("nonce"), field("code_challenge"), field("redirect_uri"));
        let mut back = Url::parse(&redirect_uri).expect("the redirect address is one");
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &field("state"));
        if let Some(issuer) = &self.answer_issuer {
            back.query_pairs_mut().append_pair("iss", issuer);
        }
        let says_when = fields.contains_key("max_age");
        self.codes.insert(code, Code { says_when, nonce, challenge, redirect_uri });
        back.into()
    }

    fn redeem(&mut self, issuer: &str, request: &SeenRequest) -> UpstreamAnswer {
        let fields: BTreeMap<String, String> = form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let shown = request.headers.get("authorization").and_then(|shown| shown.to_str().ok()).unwrap_or_default();
        let escaped: String = form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
        if shown != format!("Basic {}", BASE64_STANDARD.encode(format!("{CLIENT_ID}:{escaped}"))) {
            return refusal(StatusCode::UNAUTHORIZED, &json!({ "error": "invalid_client" }));
        }
        let code = self.codes.get(field("code")).cloned();
        let digest = BASE64_URL_SAFE_NO_PAD.encode(Digest::of(field("code_verifier").as_bytes()).as_bytes());
        let code = code.filter(|code| code.challenge == digest && code.redirect_uri == field("redirect_uri"));
        let Some(code) = code.filter(|_| field("grant_type") == "authorization_code") else {
            let error = json!({ "error": "invalid_grant", "error_description": "<script>alert(1)</script>" });
            return refusal(StatusCode::BAD_REQUEST, &error);
        };
        if !self.redeems_again {
            self.codes.remove(field("code"));
        }
        UpstreamAnswer::json(&json!({
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.token(issuer, &code),
        }))
    }

    fn token(&self, issuer: &str, code: &Code) -> String {
        let now = SystemClock.now().timestamp();
        let usual = json!({
            "iss": issuer, "sub": "ada-1", "aud": CLIENT_ID, "exp": now + 300, "iat": now, "nonce": code.nonce,
            "email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace",
        });
        let asked = if code.says_when { json!({ "auth_time": now }) } else { json!({}) };
        let claims = over(over(usual, &asked), &self.claims);
        match self.algorithm {
            "none" => {
                let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
                format!("{}.{}.", part(json!({ "alg": "none" })), part(claims))
            }
            "HS256" => {
                let key = EncodingKey::from_secret(CLIENT_SECRET.as_bytes());
                jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a key signs")
            }
            _ => {
                let header = Header { kid: Some(self.signing_key.to_string()), ..Header::new(Algorithm::ES256) };
                let der = secret_key(self.signing_key).to_pkcs8_der().expect("a key is written");
                jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_der(der.as_bytes())).expect("a key signs")
            }
        }
    }
}

fn secret_key(number: u8) -> SecretKey {
    SecretKey::from_slice(&[number; 32]).expect("the number is in the field")
}

fn jwk(number: u8) -> Value {
    let jwk: Value = serde_json::from_str(&secret_key(number).public_key().to_jwk_string()).expect("a key is JSON");
    over(jwk, &json!({ "kid": number.to_string(), "use": "sig", "alg": "ES256" }))
}

/// `usual` with the entries of `more`; what is null there is none.
fn over(mut usual: Value, more: &Value) -> Value {
    let members = usual.as_object_mut().expect("it is an object");
    for (name, value) in more.as_object().into_iter().flatten() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    usual
}

fn refusal(status: StatusCode, body: &Value) -> UpstreamAnswer {
    UpstreamAnswer { status, ..UpstreamAnswer::json(body) }
}

fn lock(state: &Mutex<IssuerState>) -> MutexGuard<'_, IssuerState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
