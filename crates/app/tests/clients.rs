use std::sync::Arc;

use app::{
    AppError, ClientBounds, OauthSettings, Registration, Whence,
    clients::{self, ClientError, RegisterError},
    tokens::TokenFault,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::{DateTime, TimeDelta};
use domain::{ClientKey, Clock as _, SetClock};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use oauth::{ClientAuthentication, ClientId, Parameters, RegistrationUpdate, Secret};
use p256::{elliptic_curve::sec1::ToEncodedPoint as _, pkcs8::EncodePrivateKey as _};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{TestApp, TestOptions};

const HOUR: std::time::Duration = std::time::Duration::from_hours(1);

async fn start(pool: &PgPool, registration: Registration) -> (TestApp, Arc<SetClock>) {
    let clock = Arc::new(SetClock::at(DateTime::from_timestamp(1_800_000_000, 0).unwrap()));
    let oauth = OauthSettings { registration, ..OauthSettings::default() };
    let options = TestOptions { clock: Arc::clone(&clock) as _, oauth, ..TestOptions::default() };
    (TestApp::start_with(pool, options).await, clock)
}

const fn open(count_max: u32, per_hour_max: u32) -> Registration {
    Registration::Open {
        bounds: ClientBounds { count_max, per_hour_max },
        unused: HOUR.saturating_mul(24),
        idle: HOUR.saturating_mul(48),
    }
}

async fn register(test: &TestApp, metadata: Value) -> Result<Value, RegisterError> {
    let asked = oauth::Registration::parse(metadata.to_string().as_bytes()).unwrap();
    clients::register(test.app(), Whence::default(), asked).await.map(|told| serde_json::to_value(told).unwrap())
}

fn metadata(method: &str) -> Value {
    json!({"redirect_uris": ["https://app.test/callback"], "token_endpoint_auth_method": method, "client_name": "An app"})
}

fn key_of(told: &Value) -> ClientKey {
    told["client_id"].as_str().unwrap().parse().unwrap()
}

async fn basic(test: &TestApp, id: &str, secret: &str) -> Result<(), TokenFault> {
    let header = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let shown = ClientAuthentication::parse(Some(&header), &Parameters::parse("").unwrap()).unwrap();
    clients::authenticate(test.app(), &shown).await.map(drop)
}

async fn public(test: &TestApp, id: &str) -> Result<(), TokenFault> {
    let shown = ClientAuthentication::parse(None, &Parameters::parse(&format!("client_id={id}")).unwrap()).unwrap();
    clients::authenticate(test.app(), &shown).await.map(drop)
}

fn told(answer: Result<(), TokenFault>) -> &'static str {
    match answer {
        Err(TokenFault::Refused(error)) => error.code.as_str(),
        Err(TokenFault::App(AppError::Later { .. })) => "temporarily_unavailable",
        other => panic!("{other:?}"),
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn registrations_are_bounded_by_the_hour_in_number_and_may_be_closed(pool: PgPool) {
    let (test, clock) = start(&pool, open(3, 2)).await;
    let attempt = async || register(&test, metadata("none")).await;

    assert!(attempt().await.is_ok() && attempt().await.is_ok());
    assert!(matches!(attempt().await, Err(RegisterError::TooMany { .. })), "of this hour");
    clock.advance(TimeDelta::hours(2));
    assert!(attempt().await.is_ok());
    clock.advance(TimeDelta::hours(2));
    assert!(matches!(attempt().await, Err(RegisterError::TooMany { .. })), "of all");
    clock.advance(TimeDelta::hours(20));
    assert!(attempt().await.is_ok(), "those that nobody used are forgotten");
    test.stop().await;

    let (closed, _) = start(&pool, Registration::Closed).await;
    assert!(matches!(register(&closed, metadata("none")).await, Err(RegisterError::Closed)));
    closed.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_nobody_uses_is_not_known_any_more(pool: PgPool) {
    let (test, clock) = start(&pool, open(10, 10)).await;
    let told = register(&test, metadata("none")).await.unwrap();
    let id: ClientId = told["client_id"].as_str().unwrap().parse().unwrap();
    assert!(clients::load(test.app(), &id).await.is_ok());

    clock.advance(TimeDelta::hours(24));

    assert!(matches!(clients::load(test.app(), &id).await, Err(ClientError::Unknown)));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_proves_to_be_itself_in_the_way_that_it_registered(pool: PgPool) {
    let (test, _) = start(&pool, open(10, 10)).await;
    let confidential = register(&test, metadata("client_secret_basic")).await.unwrap();
    let open_client = register(&test, metadata("none")).await.unwrap();
    let (id, secret) = (confidential["client_id"].as_str().unwrap(), confidential["client_secret"].as_str().unwrap());
    let public_id = open_client["client_id"].as_str().unwrap();

    assert!(basic(&test, id, secret).await.is_ok());
    assert!(public(&test, public_id).await.is_ok());
    assert!(open_client.get("client_secret").is_none());
    for answer in [
        basic(&test, id, &secret.to_ascii_lowercase()).await,
        basic(&test, public_id, secret).await,
        public(&test, id).await,
        public(&test, &uuid::Uuid::now_v7().to_string()).await,
    ] {
        assert_eq!(self::told(answer), "invalid_client");
    }
    let kept: Vec<String> = sqlx::query_scalar("SELECT row_to_json(clients)::text FROM clients").fetch_all(&pool).await.unwrap();
    let token = confidential["registration_access_token"].as_str().unwrap();
    assert!(!kept.iter().any(|row| row.contains(secret) || row.contains(token)), "only their digests are kept");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_proves_to_be_itself_by_a_statement_that_it_signed_once(pool: PgPool) {
    let (here, clock) = start(&pool, open(10, 10)).await;
    let (there, _) = start(&pool, open(10, 10)).await;
    let secret = p256::SecretKey::from_slice(&[3; 32]).unwrap();
    let point = secret.public_key().to_encoded_point(false);
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "one",
        "x": URL_SAFE_NO_PAD.encode(point.x().unwrap()), "y": URL_SAFE_NO_PAD.encode(point.y().unwrap())});
    let mut asked = metadata("private_key_jwt");
    asked["jwks"] = json!({"keys": [jwk]});
    let told = register(&here, asked).await.unwrap();
    let id = told["client_id"].as_str().unwrap();
    let now = clock.now().timestamp();
    let state = |secret: &p256::SecretKey, changed: Value| {
        let mut claims = json!({"iss": id, "sub": id, "aud": "http://127.0.0.1:8080/oauth/token", "exp": now + 60, "jti": uuid::Uuid::now_v7()});
        changed.as_object().unwrap().iter().for_each(|(name, value)| claims[name] = value.clone());
        let key = EncodingKey::from_ec_der(secret.to_pkcs8_der().unwrap().as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap()
    };
    let show = async |test: &TestApp, statement: &str| {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", statement),
            ])
            .finish();
        let shown = ClientAuthentication::parse(None, &Parameters::parse(&form).unwrap()).unwrap();
        clients::authenticate(test.app(), &shown).await.map(drop)
    };

    let right = state(&secret, json!({}));
    assert!(show(&here, &right).await.is_ok());
    assert_eq!(self::told(show(&here, &right).await), "invalid_client", "once");
    assert_eq!(self::told(show(&there, &right).await), "invalid_client", "on whichever node");
    let other = p256::SecretKey::from_slice(&[4; 32]).unwrap();
    for wrong in [
        state(&other, json!({})),
        state(&secret, json!({"aud": "https://elsewhere.test"})),
        state(&secret, json!({"exp": now - 61})),
        state(&secret, json!({"exp": now + 3600})),
        state(&secret, json!({"iss": "somebody else"})),
    ] {
        assert_eq!(self::told(show(&here, &wrong).await), "invalid_client");
    }
    assert_eq!(self::told(public(&here, id).await), "invalid_client", "saying the name is no proof");
    let mut answers = Vec::new();
    for _ in 0..130 {
        answers.push(show(&here, &state(&secret, json!({}))).await.err().map(|fault| self::told(Err(fault))));
    }
    let refused = answers.iter().filter(|answer| **answer == Some("temporarily_unavailable")).count();
    assert!((5..=12).contains(&refused), "a client signs 120 a minute: {answers:?}");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM used_assertions").fetch_one(&pool).await.unwrap();
    assert_eq!(usize::try_from(kept).unwrap(), 131 - refused);
    here.stop().await;
    there.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_changes_and_deletes_what_it_registered_with_its_token_alone(pool: PgPool) {
    let (here, _) = start(&pool, open(10, 10)).await;
    let told = register(&here, metadata("none")).await.unwrap();
    let (id, token) = (told["client_id"].as_str().unwrap(), Secret::shown(told["registration_access_token"].as_str().unwrap()));
    let (key, wrong) = (key_of(&told), Secret::from_random([1; 32]));
    let mut changed = metadata("client_secret_basic");
    changed["client_id"] = id.into();
    changed["client_name"] = "Another name".into();
    let update = || RegistrationUpdate::parse(changed.to_string().as_bytes(), key.as_uuid()).unwrap();

    assert!(matches!(clients::load_registration(here.app(), key, &wrong).await, Err(RegisterError::WrongToken)));
    assert!(matches!(
        clients::change(here.app(), Whence::default(), key, &wrong, update()).await,
        Err(RegisterError::WrongToken)
    ));
    assert!(matches!(clients::delete(here.app(), Whence::default(), key, &wrong).await, Err(RegisterError::WrongToken)));
    assert!(public(&here, id).await.is_ok());
    let told =
        serde_json::to_value(clients::change(here.app(), Whence::default(), key, &token, update()).await.unwrap()).unwrap();
    assert!(basic(&here, id, told["client_secret"].as_str().unwrap()).await.is_ok(), "it needs a secret now");
    assert_eq!(self::told(public(&here, id).await), "invalid_client");
    let loaded = serde_json::to_value(clients::load_registration(here.app(), key, &token).await.unwrap()).unwrap();
    assert_eq!((loaded["client_name"].as_str(), loaded.get("client_secret")), (Some("Another name"), None));

    clients::delete(here.app(), Whence::default(), key, &token).await.unwrap();

    let id: ClientId = id.parse().unwrap();
    assert!(matches!(clients::load(here.app(), &id).await, Err(ClientError::Unknown)));
    here.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn all_that_ended_is_swept_away_however_much_it_is(pool: PgPool) {
    sqlx::query("INSERT INTO used_assertions SELECT sha256(n::text::bytea), 'epoch' FROM generate_series(1, 10001) n")
        .execute(&pool)
        .await
        .unwrap();

    let (test, _) = start(&pool, open(10, 10)).await;

    let mut left: i64 = 1;
    for _ in 0..250 {
        left = sqlx::query_scalar("SELECT count(*) FROM used_assertions").fetch_one(&pool).await.unwrap();
        if left == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(left, 0, "one sweep deletes all, not only its first batch");
    test.stop().await;
}
