//! Rotation of the keys that tokens are signed with, while nodes run.

use app::{
    AppError, MasterKeys, OauthSettings,
    signing_keys::{self, MissingKey, Rotation, SigningKeyState},
    tokens,
};
use sqlx::{ConnectOptions as _, PgPool};
use store::{Database, Pool, PoolSettings};

use super::*;

async fn connect(pool: &PgPool) -> Pool {
    let database = Database::from_url(pool.connect_options().to_url_lossy().as_str()).unwrap();
    Pool::connect(&database, &PoolSettings { connections_max: 1, connections_min: 0 }).await.unwrap()
}

async fn rotate(scene: &Scene, pool: &Pool) -> String {
    let masters = MasterKeys::new([[9; 32]]).unwrap();
    let rotation = Rotation { access_token: Duration::from_mins(15), supplied: None };
    signing_keys::rotate(pool, &masters, &*scene.clock, &rotation).await.unwrap().kid
}

fn kid(access_token: &str) -> String {
    use base64::Engine as _;
    let header = access_token.split('.').next().unwrap();
    let header: Value =
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn published(app: &App) -> Vec<String> {
    let set = serde_json::to_value(tokens::jwks(app).await.unwrap()).unwrap();
    let keys = set["keys"].as_array().unwrap();
    assert!(keys.iter().all(|key| key.get("d").is_none() && key["alg"] == "ES256"), "{set}");
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_rotation_reaches_every_node_and_logs_nobody_out(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;
    let keys = connect(&pool).await;
    let old = scene.tokens("mcp:tools").await;
    assert!(use_server(there.app(), &old.access).await.is_ok());

    let new_kid = rotate(&scene, &keys).await;

    // Before any notice: a token of the new key is taken by a node that has not heard of it.
    assert!(
        within_a_second(async || {
            let new = refresh(scene.app(), &scene.client, old.refresh.as_ref().unwrap()).await.unwrap();
            let is_taken = use_server(there.app(), &new.access).await.is_ok();
            assert!(is_taken);
            kid(&new.access) == new_kid
        })
        .await
    );
    assert!(scene.use_server(&old.access).await.is_ok() && use_server(there.app(), &old.access).await.is_ok());
    assert!(within_a_second(async || published(there.app()).await == [new_kid.clone(), kid(&old.access)]).await);

    // The last token of the old key has expired, and the key a few minutes later.
    scene.pass(900 + 300);
    let unheard = scene.node().await;
    assert_eq!(published(unheard.app()).await, [new_kid]);
    let states: Vec<_> = signing_keys::list(&keys, &*scene.clock).await.unwrap().into_iter().map(|key| key.state).collect();
    assert!(matches!(states.as_slice(), [SigningKeyState::Signs, SigningKeyState::Ended(_)]), "{states:?}");
    keys.close().await;
    scene.test.stop().await;
    there.stop().await;
    unheard.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_key_that_is_retired_verifies_nothing_on_any_node(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;
    let keys = connect(&pool).await;
    let old = scene.tokens("mcp:tools").await;
    assert!(use_server(there.app(), &old.access).await.is_ok());
    let signing = kid(&old.access);
    let refused = signing_keys::retire(&keys, &*scene.clock, &signing).await;
    assert!(matches!(refused, Err(AppError::Conflict { .. })), "the one that signs is replaced first");

    let caller = use_server(there.app(), &old.access).await.unwrap();
    let mut watch = app::catalogue::watch(there.app(), &caller, &slug(SLUG)).await.unwrap();

    rotate(&scene, &keys).await;
    signing_keys::retire(&keys, &*scene.clock, &signing).await.unwrap();

    let ended = tokio::time::timeout(Duration::from_secs(5), watch.changed(there.app())).await;
    assert!(matches!(ended, Ok(Err(AppError::Unauthenticated))), "what was opened with its tokens ends: {ended:?}");
    for node in [scene.app(), there.app()] {
        assert!(within_a_second(async || is_refused(&use_server(node, &old.access).await)).await);
    }
    assert!(
        within_a_second(async || {
            let again = refresh(there.app(), &scene.client, old.refresh.as_ref().unwrap()).await.unwrap();
            kid(&again.access) != signing && scene.use_server(&again.access).await.is_ok()
        })
        .await
    );
    keys.close().await;
    scene.test.stop().await;
    there.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn there_is_no_key_by_default(pool: PgPool) {
    let oauth = || OauthSettings { missing_key: MissingKey::Refused, ..OauthSettings::default() };
    let refused = TestApp::try_start_with(&pool, TestOptions { oauth: oauth(), ..TestOptions::default() }).await;
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("toolwright keys rotate"), "{error}");

    let made = TestApp::start(pool.clone()).await;
    let one = published(made.app()).await;
    made.stop().await;
    let started = TestApp::start_with(&pool, TestOptions { oauth: oauth(), ..TestOptions::default() }).await;
    assert_eq!((one.len(), published(started.app()).await), (1, one), "another start has the same");
    started.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_key_that_somebody_else_wrote_into_the_database_signs_nothing(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    sqlx::query("UPDATE signing_keys SET sealed = set_byte(sealed, 70, get_byte(sealed, 70) # 1)").execute(&pool).await.unwrap();

    let code = scene.code("mcp:tools").await;

    assert!(
        within_a_second(async || matches!(
            redeem(scene.app(), &scene.client, &code).await,
            Err(TokenFault::App(AppError::Internal { .. }))
        ))
        .await
    );
    scene.test.stop().await;
}
