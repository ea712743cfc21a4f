//! Clients that keep their keys at an address (`jwks_uri`, RFC 7591, section 2): fetched on the way that tools have, and kept for minutes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    time::Duration,
};

use app::{AppError, ClientBounds, OauthSettings, Registration, Whence, clients, tokens::TokenFault};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use domain::{Clock as _, SetClock, SystemClock};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use oauth::{ClientAuthentication, Parameters, TokenErrorCode};
use p256::{elliptic_curve::sec1::ToEncodedPoint as _, pkcs8::EncodePrivateKey as _};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{TestApp, TestOptions, Upstream, UpstreamAnswer};

/// The set with the public half of `secret`.
fn set_of(secret: &p256::SecretKey) -> Value {
    let point = secret.public_key().to_encoded_point(false);
    let part = |bytes: Option<&p256::FieldBytes>| URL_SAFE_NO_PAD.encode(bytes.unwrap());
    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": part(point.x()), "y": part(point.y()) }] })
}

/// Whether the client `id` is believed who signs with `secret`; why not, else.
async fn show(test: &TestApp, id: &str, secret: &p256::SecretKey, now: i64) -> Result<(), TokenFault> {
    let claims = json!({ "iss": id, "sub": id, "aud": "http://127.0.0.1:8080", "exp": now + 60, "jti": uuid::Uuid::now_v7() });
    let key = EncodingKey::from_ec_der(secret.to_pkcs8_der().unwrap().as_bytes());
    let statement = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap();
    let form = format!(
        "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={statement}"
    );
    let shown = ClientAuthentication::parse(None, &Parameters::parse(&form).unwrap()).unwrap();
    clients::authenticate(test.app(), &shown).await.map(drop)
}

async fn register(test: &TestApp, jwks_uri: &str) -> String {
    let metadata = json!({
        "redirect_uris": ["https://client.test/callback"], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri,
    });
    let registration = oauth::Registration::parse(metadata.to_string().as_bytes()).unwrap();
    let told = serde_json::to_value(clients::register(test.app(), Whence::default(), registration).await.unwrap()).unwrap();
    told["client_id"].as_str().unwrap().to_owned()
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_proves_itself_by_keys_at_its_address_and_they_are_not_fetched_each_time(pool: PgPool) {
    let (own, other) = (p256::SecretKey::from_slice(&[3; 32]).unwrap(), p256::SecretKey::from_slice(&[4; 32]).unwrap());
    let is_there = Arc::new(AtomicBool::new(false));
    let (set, answers) = (set_of(&own), Arc::clone(&is_there));
    let host = Upstream::start_tls(move |_| {
        if answers.load(Ordering::Relaxed) {
            UpstreamAnswer::json(&set)
        } else {
            UpstreamAnswer::status(http::StatusCode::NOT_FOUND)
        }
    })
    .await;
    let options = TestOptions { egress: host.egress(), ..TestOptions::default() };
    let test = TestApp::start_with(&pool, options).await;
    let id = register(&test, &host.url("/keys.json")).await;
    let now = SystemClock.now().timestamp();

    let missing = show(&test, &id, &own, now).await;
    is_there.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        show(&test, &id, &own, now).await.unwrap();
    }
    let forged = show(&test, &id, &other, now).await;

    for refused in [missing, forged] {
        assert!(matches!(refused, Err(TokenFault::Refused(error)) if error.code == TokenErrorCode::InvalidClient));
    }
    assert_eq!(host.seen().len(), 2, "one that failed, and one that was kept");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn keys_are_believed_for_a_day_while_their_host_is_away_and_end_when_it_says_so(pool: PgPool) {
    let own = p256::SecretKey::from_slice(&[3; 32]).unwrap();
    let status = Arc::new(AtomicU16::new(200));
    let (set, answered) = (set_of(&own), Arc::clone(&status));
    let host = Upstream::start_tls(move |_| match answered.load(Ordering::Relaxed) {
        200 => UpstreamAnswer::json(&set),
        status => UpstreamAnswer::status(http::StatusCode::from_u16(status).unwrap()),
    })
    .await;
    let clock = Arc::new(SetClock::at(SystemClock.now()));
    // A client that nobody lets in is forgotten later than its keys.
    let (bounds, long) = (ClientBounds { count_max: 10, per_hour_max: 10 }, Duration::from_hours(96));
    let registration = Registration::Open { bounds, unused: long, idle: long };
    let oauth = OauthSettings { registration, ..OauthSettings::default() };
    let options = TestOptions { egress: host.egress(), clock: clock.clone(), oauth, ..TestOptions::default() };
    let test = TestApp::start_with(&pool, options).await;
    let id = register(&test, &host.url("/keys.json")).await;
    let prove = async || show(&test, &id, &own, clock.now().timestamp()).await;
    let is_away = |answer: Result<(), TokenFault>| matches!(answer, Err(TokenFault::App(AppError::Later { .. })));
    prove().await.unwrap();

    status.store(503, Ordering::Relaxed);
    clock.advance(TimeDelta::minutes(5));
    for _ in 0..3 {
        prove().await.unwrap();
    }
    assert_eq!(host.seen().len(), 2, "it is not asked each time");
    clock.advance(TimeDelta::hours(23));
    prove().await.unwrap();
    clock.advance(TimeDelta::hours(1));
    assert!(is_away(prove().await), "a day is over");

    status.store(200, Ordering::Relaxed);
    prove().await.unwrap();
    status.store(404, Ordering::Relaxed);
    clock.advance(TimeDelta::minutes(5));
    let gone = prove().await;
    assert!(matches!(gone, Err(TokenFault::Refused(error)) if error.code == TokenErrorCode::InvalidClient));
    status.store(503, Ordering::Relaxed);
    assert!(is_away(prove().await), "nothing is left of them");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn keys_are_fetched_from_no_address_that_a_tool_could_not_reach(pool: PgPool) {
    let own = p256::SecretKey::from_slice(&[3; 32]).unwrap();
    let host = Upstream::start_tls({
        let set = set_of(&own);
        move |_| UpstreamAnswer::json(&set)
    })
    .await;
    // Without the exception for the test's own host, what is on this machine is out of reach.
    let test = TestApp::start(pool).await;
    let id = register(&test, &host.url("/keys.json")).await;

    let refused = show(&test, &id, &own, SystemClock.now().timestamp()).await;

    assert!(matches!(refused, Err(TokenFault::App(AppError::Later { .. }))), "it may be reachable another time");
    assert_eq!(host.seen().len(), 0);
    test.stop().await;
}
