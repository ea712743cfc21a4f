//! Tokens: how clients get them, what they are worth, and when they end.

mod access;
pub(crate) mod audited;
mod changes;
mod codes;
mod consents;
mod forgeries;
pub(crate) mod held_back;
mod keys;
mod policies;
mod races;
mod refreshing;

use std::{sync::Arc, time::Duration};

use app::{
    App, AppError, Caller, PersonCaller, Whence, Who,
    clients::{self, Authenticated},
    tokens::{
        self, TokenFault, Wanted,
        authorize::{self, Asked, Decision},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{MemberRole, SetClock, SignInId, Slug, UserId};
use oauth::{AuthorizationRequest, ClientAuthentication, Parameters, Registration, TokenAnswer, TokenRequest};
use serde_json::Value;
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions};

/// A verifier and its challenge (RFC 7636, appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://127.0.0.1:7777/callback";
const ISSUER: &str = "http://127.0.0.1:8080";
const SLUG: &str = "weather";

/// A platform with a customer's server, somebody who owns it, and a client that registered.
struct Scene {
    test: TestApp,
    pool: PgPool,
    clock: Arc<SetClock>,
    customer: TestCustomer,
    owner: PersonCaller,
    client: Authenticated,
}

impl Scene {
    async fn set(pool: &PgPool) -> Self {
        let clock = Arc::new(SetClock::at(start()));
        let test = TestApp::start_with(pool, TestOptions { clock: Arc::clone(&clock) as _, ..TestOptions::default() }).await;
        let customer = test.customer("free").await;
        customer.create_server(SLUG).await.unwrap();
        let owner = person(pool, Some((&customer, MemberRole::Owner))).await;
        let client = register(test.app()).await;
        Self { test, pool: pool.clone(), clock, customer, owner, client }
    }

    fn app(&self) -> &App {
        self.test.app()
    }

    /// Another node on the same database, with the same time.
    async fn node(&self) -> TestApp {
        let options = TestOptions { clock: Arc::clone(&self.clock) as _, ..TestOptions::default() };
        TestApp::start_with(&self.pool, options).await
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// The code that the owner lets the client have for the server.
    async fn code(&self, scope: &str) -> String {
        let asked = ask(self.app(), &self.client, &server(SLUG), scope).await.unwrap();
        allow(self.app(), &self.owner, &asked).await
    }

    /// What the client gets for a code of the server.
    async fn tokens(&self, scope: &str) -> Tokens {
        let code = self.code(scope).await;
        redeem(self.app(), &self.client, &code).await.unwrap()
    }

    async fn use_server(&self, access_token: &str) -> Result<Caller, AppError> {
        use_server(self.app(), access_token).await
    }
}

/// What an answer with tokens holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tokens {
    access: String,
    refresh: Option<String>,
    scope: String,
    expires_in_s: u64,
}

impl From<TokenAnswer> for Tokens {
    fn from(answer: TokenAnswer) -> Self {
        let answer = serde_json::to_value(answer).unwrap();
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        Self {
            access: text("access_token").unwrap(),
            refresh: text("refresh_token"),
            scope: text("scope").unwrap(),
            expires_in_s: answer["expires_in"].as_u64().unwrap(),
        }
    }
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn server(slug: &str) -> String {
    format!("{ISSUER}/mcp/{slug}")
}

fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

/// Somebody with an account, and a membership if one is named.
async fn person(pool: &PgPool, membership: Option<(&TestCustomer, MemberRole)>) -> PersonCaller {
    let user = UserId::new();
    sqlx::query("INSERT INTO users (user_id, email, name, created_at) VALUES ($1, $2, 'Somebody', now())")
        .bind(user.as_uuid())
        .bind(format!("{user}@example.com"))
        .execute(pool)
        .await
        .unwrap();
    if let Some((customer, role)) = membership {
        join(pool, customer, user, role).await;
    }
    let sign_in = SignInId::new();
    sqlx::query(
        "INSERT INTO sign_ins (sign_in_id, user_id, sha256, device, created_at, used_at, expires_at)
        VALUES ($1, $2, $3, 'a test', $4, $4, $4 + interval '30 days')",
    )
    .bind(sign_in.as_uuid())
    .bind(user.as_uuid())
    .bind(domain::Digest::of(sign_in.as_uuid().as_bytes()).as_bytes().as_slice())
    .bind(start())
    .execute(pool)
    .await
    .unwrap();
    PersonCaller { user, sign_in }
}

async fn join(pool: &PgPool, customer: &TestCustomer, user: UserId, role: MemberRole) {
    sqlx::query("INSERT INTO members (customer_id, user_id, role, created_at) VALUES ($1, $2, $3, now())")
        .bind(customer.id.as_uuid())
        .bind(user.as_uuid())
        .bind(role.as_str())
        .execute(pool)
        .await
        .unwrap();
}

async fn register(app: &App) -> Authenticated {
    let asked =
        format!(r#"{{"redirect_uris": ["{CALLBACK}"], "token_endpoint_auth_method": "none", "client_name": "A client"}}"#);
    let told = clients::register(app, Whence::default(), Registration::parse(asked.as_bytes()).unwrap()).await.unwrap();
    let told = serde_json::to_value(told).unwrap();
    prove(app, told["client_id"].as_str().unwrap()).await
}

/// A client with a secret, which it has shown.
async fn confidential(app: &App) -> Authenticated {
    use base64::Engine as _;
    let asked = format!(r#"{{"redirect_uris": ["{CALLBACK}"], "grant_types": ["authorization_code", "refresh_token"]}}"#);
    let told = clients::register(app, Whence::default(), Registration::parse(asked.as_bytes()).unwrap()).await.unwrap();
    let told = serde_json::to_value(told).unwrap();
    let pair = format!("{}:{}", told["client_id"].as_str().unwrap(), told["client_secret"].as_str().unwrap());
    let shown = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let shown = ClientAuthentication::parse(Some(&shown), &Parameters::parse("").unwrap()).unwrap();
    clients::authenticate(app, &shown).await.unwrap()
}

/// A public client, as it comes to the token endpoint.
async fn prove(app: &App, client_id: &str) -> Authenticated {
    let form = Parameters::parse(&format!("client_id={client_id}")).unwrap();
    clients::authenticate(app, &ClientAuthentication::parse(None, &form).unwrap()).await.unwrap()
}

fn query(client: &Authenticated, resource: &str, scope: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("response_type", "code"),
        ("client_id", &client.id().to_string()),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "the state"),
        ("resource", resource),
        ("scope", scope),
    ]);
    query.finish()
}

async fn ask(app: &App, client: &Authenticated, resource: &str, scope: &str) -> Result<Asked, authorize::Refusal> {
    let request = AuthorizationRequest::parse(app.issuer(), &query(client, resource, scope)).unwrap();
    authorize::begin(app, &request).await
}

/// Lets the client have all that it asked for, and gives the code.
async fn allow(app: &App, person: &PersonCaller, asked: &Asked) -> String {
    let decision = Decision::Allow { scopes: asked.scopes.clone(), customer: None, pins_definitions: false };
    let location = authorize::decide(app, person, Whence::default(), asked, decision).await.unwrap();
    parameter(&location, "code").unwrap_or_else(|| panic!("no code in {location}"))
}

fn parameter(location: &str, name: &str) -> Option<String> {
    let location = url::Url::parse(location).unwrap();
    location.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

async fn exchange(app: &App, client: &Authenticated, form: &[(&str, &str)]) -> Result<Tokens, TokenFault> {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = TokenRequest::parse(app.issuer(), &Parameters::parse(&form).unwrap())?;
    tokens::exchange(app, client, Whence::default(), request).await.map(Tokens::from)
}

async fn redeem(app: &App, client: &Authenticated, code: &str) -> Result<Tokens, TokenFault> {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
        ("resource", &server(SLUG)),
    ];
    exchange(app, client, &form).await
}

async fn refresh(app: &App, client: &Authenticated, token: &str) -> Result<Tokens, TokenFault> {
    exchange(app, client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

async fn use_server(app: &App, access_token: &str) -> Result<Caller, AppError> {
    let caller = Caller::of(tokens::authenticate(app, access_token, Wanted::Server(&slug(SLUG))).await?);
    app::catalogue::load(app, &caller, &slug(SLUG)).await?;
    Ok(caller)
}

/// The word that a client is told.
fn told<T: std::fmt::Debug>(answer: Result<T, TokenFault>) -> &'static str {
    match answer {
        Err(TokenFault::Refused(error)) => error.code.as_str(),
        other => panic!("{other:?}"),
    }
}

fn is_refused<T>(answer: &Result<T, AppError>) -> bool {
    matches!(answer, Err(AppError::Unauthenticated))
}

/// Whether it is so within a second: a notice has come by then.
async fn within_a_second(mut is_so: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..50 {
        if is_so().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// What a token says, unchecked.
fn claims(access_token: &str) -> Value {
    use base64::Engine as _;
    let claims = access_token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
