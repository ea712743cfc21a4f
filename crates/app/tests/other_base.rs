//! An artifact is the difference to the engine's memory, the base. One that was made on another base, and signed by this very installation, is
//! of no use, and is made again from its source (RUN-11).

use std::collections::BTreeSet;

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use domain::{Digest, Outcome};
use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions};
use uuid::Uuid;

use crate::sources::{ADD, slug, tool_name};

#[sqlx::test(migrations = "../../migrations")]
async fn an_artifact_of_another_base_is_made_again_when_it_is_called(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let other = move_to_another_base(&pool, &test).await;

    let node = start_without_native_code(&pool, &test).await;
    let answer = call(&node, &customer).await;

    assert_eq!(answer, Outcome::Success(json!({"sum": 3}).into()));
    assert_ne!(artifact(&pool).await, other, "it was replaced for all who come after");
    node.stop().await;
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_artifact_of_another_base_is_made_again_when_it_is_downloaded(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let other = move_to_another_base(&pool, &test).await;

    let node = start_without_native_code(&pool, &test).await;
    let (server, tool, known) = (slug("sums"), tool_name("add"), BTreeSet::new());
    let download = app::components::download(node.app(), &customer.caller, &server, &tool, None, &known).await.unwrap();

    assert!(download.component.unwrap().starts_with(b"\0asm"));
    assert_ne!(artifact(&pool).await, other);
    node.stop().await;
    test.stop().await;
}

/// Puts an artifact in the place of the only one that differs in nothing but the name of its base, and signs it. Gives its digest.
async fn move_to_another_base(pool: &PgPool, test: &TestApp) -> Digest {
    let before = artifact(pool).await;
    let mut bytes = std::fs::read(blob(test, before)).unwrap();
    // The base's name is the first thing that an artifact imports, and ends in digits of its digest.
    let at = bytes.windows(6).position(|window| window == b"memory").unwrap() - 2;
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    let other = Digest::of(&bytes);
    std::fs::create_dir_all(blob(test, other).parent().unwrap()).unwrap();
    std::fs::write(blob(test, other), &bytes).unwrap();
    let (source, engine): (Vec<u8>, Vec<u8>) =
        sqlx::query_as("SELECT source_digest, engine_digest FROM artifacts").fetch_one(pool).await.unwrap();
    let signed = [b"artifact".as_slice(), &source, &engine, other.as_bytes(), &(bytes.len() as u64).to_le_bytes()];
    let mut mac = Hmac::<Sha256>::new_from_slice(&signing_key(pool).await).unwrap();
    mac.update(Digest::of_parts(signed).as_bytes());
    sqlx::query("UPDATE artifacts SET artifact_digest = $1, signature = $2")
        .bind(other.as_bytes().as_slice())
        .bind(mac.finalize().into_bytes().as_slice())
        .execute(pool)
        .await
        .unwrap();
    other
}

/// The installation's own key, as it opens it by the master key of tests.
async fn signing_key(pool: &PgPool) -> Vec<u8> {
    let (id, sealed): (Uuid, Vec<u8>) =
        sqlx::query_as("SELECT data_key_id, sealed FROM data_keys WHERE customer_id IS NULL").fetch_one(pool).await.unwrap();
    let (nonce, sealed) = sealed.split_first_chunk::<24>().unwrap();
    let parts = [b"data key of the platform".as_slice(), id.as_bytes()];
    let place: Vec<u8> = parts.iter().flat_map(|part| [&(part.len() as u64).to_le_bytes(), *part].concat()).collect();
    let payload = Payload { msg: sealed, aad: &place };
    XChaCha20Poly1305::new(&[9; 32].into()).decrypt(&XNonce::from(*nonce), payload).unwrap()
}

async fn artifact(pool: &PgPool) -> Digest {
    let digest: Vec<u8> = sqlx::query_scalar("SELECT artifact_digest FROM artifacts").fetch_one(pool).await.unwrap();
    Digest::try_from(digest.as_slice()).unwrap()
}

fn blob(test: &TestApp, artifact: Digest) -> std::path::PathBuf {
    let name = artifact.to_string();
    test.artifacts().path().join(&name[..2]).join(&name)
}

/// Another node over the same database and artifacts that has never seen a tool.
async fn start_without_native_code(pool: &PgPool, builder: &TestApp) -> TestApp {
    let cache = Some(testkit::cache_without_tools());
    TestApp::start_with(pool, TestOptions { artifacts: Some(builder.artifacts()), cache, ..TestOptions::default() }).await
}

async fn call(node: &TestApp, customer: &TestCustomer) -> Outcome {
    let request = testkit::request("add", json!({"a": 1, "b": 2}));
    app::calls::call_tool(node.app(), &customer.caller, &slug("sums"), request).await.unwrap().outcome
}
