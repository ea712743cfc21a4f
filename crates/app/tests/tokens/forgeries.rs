//! Tokens that somebody else made, or that say something else than ours.

use app::{
    MasterKeys,
    signing_keys::{self, Rotation},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use serde_json::json;
use sqlx::{ConnectOptions as _, PgPool};
use store::{Database, Pool, PoolSettings};

use super::*;

/// A key of the test's own, which signs for the platform from then on.
struct Key {
    secret: p256::SecretKey,
    kid: String,
}

impl Key {
    fn draw() -> p256::SecretKey {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).unwrap();
        p256::SecretKey::from_slice(&bytes).unwrap()
    }

    async fn install(scene: &Scene) -> Self {
        let secret = Self::draw();
        let pem = secret.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
        let rotation = Rotation { access_token: Duration::from_mins(15), supplied: Some(pem.into()) };
        let database = Database::from_url(scene.pool.connect_options().to_url_lossy().as_str()).unwrap();
        let pool = Pool::connect(&database, &PoolSettings { connections_max: 1, connections_min: 0 }).await.unwrap();
        let masters = MasterKeys::new([[9; 32]]).unwrap();
        let kid = signing_keys::rotate(&pool, &masters, &*scene.clock, &rotation).await.unwrap().kid;
        pool.close().await;
        Self { secret, kid }
    }

    fn sign(&self, claims: &Value) -> String {
        sign(&self.secret, &header(&self.kid), claims)
    }
}

fn header(kid: &str) -> Header {
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(kid.to_owned());
    header
}

fn sign(secret: &p256::SecretKey, header: &Header, claims: &Value) -> String {
    let key = EncodingKey::from_ec_der(secret.to_pkcs8_der().unwrap().as_bytes());
    jsonwebtoken::encode(header, claims, &key).unwrap()
}

/// The same claims with some of them changed.
fn with(claims: &Value, changed: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changed.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_with_a_right_signature_must_say_what_ours_say(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let ours = claims(&scene.tokens("mcp:tools:add").await.access);
    let key = Key::install(&scene).await;
    let now = start().timestamp();
    // What is taken is what is wrong below, but for one thing.
    assert!(scene.use_server(&key.sign(&ours)).await.is_ok());

    for changed in [
        json!({"iss": "https://elsewhere.test"}),
        json!({"iss": "http://127.0.0.1:8080/"}),
        json!({"aud": server("other-server")}),
        json!({"aud": "http://127.0.0.1:8080/api/v1"}),
        json!({"aud": [server(SLUG)]}),
        json!({"exp": now}),
        json!({"exp": now - 1}),
        json!({"iat": now + 31}),
        json!({"scope": "mcp:tools"}),
        json!({"client_id": uuid::Uuid::now_v7()}),
        json!({"tw_auth": uuid::Uuid::now_v7()}),
        json!({"tw_auth": null}),
    ] {
        assert!(is_refused(&scene.use_server(&key.sign(&with(&ours, &changed))).await), "{changed}");
    }
    scene.test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn only_our_key_our_algorithm_and_our_type_of_token_count(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let ours = claims(&scene.tokens("mcp:tools").await.access);
    let key = Key::install(&scene).await;
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = |alg: &str| format!("{}.{}.", encoded(&json!({"alg": alg, "typ": "at+jwt", "kid": key.kid})), encoded(&ours));
    let public = key.secret.public_key();
    let hs256 = |secret: &[u8]| {
        let mut header = header(&key.kid);
        header.alg = Algorithm::HS256;
        jsonwebtoken::encode(&header, &ours, &EncodingKey::from_secret(secret)).unwrap()
    };
    let typed = |typ: Option<&str>| {
        let mut header = header(&key.kid);
        header.typ = typ.map(str::to_owned);
        sign(&key.secret, &header, &ours)
    };
    let other = Key::draw();
    let named = |kid: &str| sign(&other, &header(kid), &ours);
    let mut without_kid = header("");
    without_kid.kid = None;
    let mut with_jku = header(&key.kid);
    with_jku.jku = Some("https://evil.test/keys".to_owned());
    let mut right = key.sign(&ours);
    assert!(scene.use_server(&right).await.is_ok());
    right.push('A');

    for (what, forged) in [
        ("alg none", none("none")),
        ("alg None", none("None")),
        ("no signature", none("ES256")),
        ("HS256 with the public key as PEM", hs256(public.to_public_key_pem(LineEnding::LF).unwrap().as_bytes())),
        ("HS256 with the point", hs256(&public.to_sec1_bytes())),
        ("another key by the name of ours", named(&key.kid)),
        ("another key by a name that is not known", named(&"a".repeat(43))),
        ("a name that is a path", named("../../etc/passwd")),
        ("a name that is a statement", named("' OR 1=1 --")),
        ("no name", sign(&key.secret, &without_kid, &ours)),
        ("a place where keys would be", sign(&key.secret, &with_jku, &ours)),
        ("an ID token's type", typed(Some("JWT"))),
        ("no type", typed(None)),
        ("more at the end", right),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
    ] {
        assert!(is_refused(&scene.use_server(&forged).await), "{what}");
    }
    scene.test.stop().await;
}
