use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use app::calls::CallAnswer;
use domain::{Digest, Outcome};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions};
use tokio::task::JoinHandle;

use crate::sources::{ADD, constant};

/// RUN-11
#[sqlx::test(migrations = "../../migrations")]
async fn an_artifact_of_another_engine_is_made_again_from_source_and_the_other_stays(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    sqlx::query("UPDATE artifacts SET engine_digest = sha256('an earlier engine')").execute(&pool).await.unwrap();
    let after = TestApp::start_with(&pool, TestOptions { artifacts: Some(test.artifacts()), ..TestOptions::default() }).await;

    let answer = call_add(&after, &customer, "sums").await;

    assert_eq!(answer.outcome, Outcome::Success(json!({"sum": 3}).into()));
    let artifacts: i64 = sqlx::query_scalar("SELECT count(*) FROM artifacts").fetch_one(&pool).await.unwrap();
    assert_eq!(artifacts, 2);
    test.stop().await;
    after.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_node_that_has_no_native_code_makes_it_from_the_artifact(pool: PgPool) {
    let builder = TestApp::start_with(&pool, TestOptions::default()).await;
    let customer = builder.customer("free").await;
    customer.deploy("sums", "add", ADD).await;

    let node = start_without_native_code(&pool, &builder).await;
    let answer = call_add(&node, &customer, "sums").await;

    assert_eq!(answer.outcome, Outcome::Success(json!({"sum": 3}).into()));
    node.stop().await;
    builder.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_receipt_says_how_long_a_call_waited_for_code_that_was_not_in_memory(pool: PgPool) {
    let builder = TestApp::start_with(&pool, TestOptions::default()).await;
    let customer = builder.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let node = start_without_native_code(&pool, &builder).await;
    let mut holding = pool.begin().await.unwrap();
    hold_artifacts(&mut holding).await;
    sqlx::query("DELETE FROM artifacts").execute(&pool).await.unwrap();

    let first = tokio::spawn({
        let (node, customer) = (node.clone(), customer.clone());
        async move { call_add(&node, &customer, "sums").await.receipt }
    });
    wait_for_a_waiter(&pool).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    holding.rollback().await.unwrap();
    let first = first.await.unwrap();
    let second = call_add(&node, &customer, "sums").await.receipt;

    assert!((300_000..100_000_000).contains(&first.queue_us), "{first:?}");
    assert!(second.queue_us < 300_000, "{second:?}");
    node.stop().await;
    builder.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_artifact_whose_bytes_are_lost_or_damaged_is_made_again(pool: PgPool) {
    for damage in ["lost", "damaged"] {
        let builder = TestApp::start_with(&pool, TestOptions::default()).await;
        let customer = builder.customer("free").await;
        customer.deploy(damage, "add", ADD).await;
        let blob = find_blob(&pool, &builder).await;
        match damage {
            "lost" => std::fs::remove_file(&blob).unwrap(),
            _ => std::fs::write(&blob, "something else").unwrap(),
        }

        let node = start_without_native_code(&pool, &builder).await;
        let answer = call_add(&node, &customer, damage).await;

        assert_eq!(answer.outcome, Outcome::Success(json!({"sum": 3}).into()), "{damage}");
        let blob = find_blob(&pool, &builder).await;
        let made_again = Digest::of(&std::fs::read(&blob).unwrap()).to_string();
        assert_eq!(blob.file_name().unwrap().to_str().unwrap(), made_again, "{damage}");
        node.stop().await;
        builder.stop().await;
        sqlx::query("DELETE FROM artifacts").execute(&pool).await.unwrap();
    }
}

/// A component has no source to be made again from: whoever uploads it again while it is swept must not lose its bytes.
#[sqlx::test(migrations = "../../migrations")]
async fn a_sweep_leaves_bytes_that_are_kept_again_meanwhile(pool: PgPool) {
    let test = TestApp::start_with(&pool, TestOptions::default()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let blob = find_blob(&pool, &test).await;
    let mut keeping = pool.begin().await.unwrap();
    hold_artifacts(&mut keeping).await;
    sqlx::query(
        "INSERT INTO artifacts (source_digest, engine_digest, artifact_digest, artifact_bytes, created_at, signature)
        SELECT sha256('another source'), engine_digest, artifact_digest, artifact_bytes, created_at + interval '1 hour', signature
        FROM artifacts",
    )
    .execute(&mut *keeping)
    .await
    .unwrap();

    let deleting = tokio::spawn({
        let (app, caller) = (Arc::clone(test.app()), customer.caller);
        async move { app::servers::delete(&app, &caller, &"sums".parse().unwrap()).await }
    });
    wait_for_a_waiter(&pool).await;
    keeping.commit().await.unwrap();

    deleting.await.unwrap().unwrap();
    assert!(blob.exists());
    let artifacts: i64 = sqlx::query_scalar("SELECT count(*) FROM artifacts").fetch_one(&pool).await.unwrap();
    assert_eq!(artifacts, 1, "the row that was there before is swept");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn bytes_are_kept_after_a_sweep_that_deletes_them(pool: PgPool) {
    let test = TestApp::start_with(&pool, TestOptions::default()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    customer.create_server("others").await.unwrap();
    let blob = find_blob(&pool, &test).await;
    let mut sweeping = pool.begin().await.unwrap();
    hold_artifacts(&mut sweeping).await;

    let putting = tokio::spawn(async move { customer.put("others", "add", ADD).await });
    wait_for_a_waiter(&pool).await;
    sqlx::query("DELETE FROM artifacts").execute(&pool).await.unwrap();
    std::fs::remove_file(&blob).unwrap();
    sweeping.commit().await.unwrap();

    putting.await.unwrap().unwrap();
    assert_eq!(find_blob(&pool, &test).await, blob);
    assert!(blob.exists());
    test.stop().await;
}

/// RUN-4: whatever ends a sweep between a row and its bytes, the next one finds both.
#[sqlx::test(migrations = "../../migrations")]
async fn a_sweep_that_does_not_get_to_its_end_forgets_no_bytes(pool: PgPool) {
    let test = TestApp::start_with(&pool, TestOptions::default()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    customer.create_server("others").await.unwrap();
    let blob = find_blob(&pool, &test).await;
    let delete = async |slug: &str| app::servers::delete(test.app(), &customer.caller, &slug.parse().unwrap()).await.unwrap();
    let artifacts = async || sqlx::query_scalar::<_, i64>("SELECT count(*) FROM artifacts").fetch_one(&pool).await.unwrap();
    // What cannot be deleted as a file is.
    std::fs::remove_file(&blob).unwrap();
    std::fs::create_dir_all(blob.join("in the way")).unwrap();

    delete("sums").await;
    let rows = artifacts().await;
    std::fs::remove_dir_all(&blob).unwrap();
    std::fs::write(&blob, "bytes").unwrap();
    delete("others").await;

    assert_eq!((rows, artifacts().await, blob.exists()), (1, 0, false));
    test.stop().await;
}

/// SEC-10: somebody with the database points a source at another tool's artifact, which carries a signature, but not for this source.
#[sqlx::test(migrations = "../../migrations")]
async fn an_artifact_that_was_exchanged_is_not_run_and_made_again_from_source(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    customer.deploy("evil", "add", &ADD.replace("a + b", "666")).await;
    let ours =
        "(SELECT source_digest FROM versions JOIN tools USING (tool_id) JOIN servers USING (server_id) WHERE slug = 'sums')";
    for (tampering, column) in [
        (
            "UPDATE artifacts SET (artifact_digest, artifact_bytes, signature) = (SELECT artifact_digest, artifact_bytes, signature
                FROM artifacts AS other WHERE other.source_digest <> OURS) WHERE source_digest = OURS",
            "exchanged",
        ),
        ("UPDATE artifacts SET signature = NULL WHERE source_digest = OURS", "unsigned"),
        ("UPDATE artifacts SET artifact_bytes = artifact_bytes - 1 WHERE source_digest = OURS", "another size"),
    ] {
        let tampering = sqlx::AssertSqlSafe(tampering.replace("OURS", ours));
        let done = sqlx::query(tampering).execute(&pool).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{column}");

        let node = start_without_native_code(&pool, &test).await;
        let answer = call_add(&node, &customer, "sums").await;

        assert_eq!(answer.outcome, Outcome::Success(json!({"sum": 3}).into()), "{column}");
        node.stop().await;
    }
    test.stop().await;
}

/// SEC-10: what runs is what was reviewed, and nothing else does.
#[sqlx::test(migrations = "../../migrations")]
async fn a_version_that_was_changed_behind_the_platform_does_not_run(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    for tampering in [
        "UPDATE versions SET source = replace(source, 'a + b', '666'), source_digest = sha256('other')",
        "UPDATE versions SET grants = '{\"hosts\": [{\"host\": \"evil.example.com\"}]}'",
        "UPDATE versions SET interface = replace(interface::text, 'Adds', 'Also adds')::json",
        "DELETE FROM version_signatures",
        "UPDATE version_signatures SET signature = sha256('forged')",
    ] {
        let slug = format!("sums-{}", uuid::Uuid::now_v7().simple());
        customer.deploy(&slug, "add", ADD).await;
        call_add(&test, &customer, &slug).await;
        // As whoever owns the database, and without its triggers.
        let mut connection = pool.acquire().await.unwrap();
        sqlx::query("SET session_replication_role = replica").execute(&mut *connection).await.unwrap();
        sqlx::query(tampering).execute(&mut *connection).await.unwrap();
        sqlx::query("SET session_replication_role = DEFAULT").execute(&mut *connection).await.unwrap();
        drop(connection);

        let node = start_without_native_code(&pool, &test).await;
        let request = testkit::request("add", json!({"a": 1, "b": 2}));
        let called = app::calls::call_tool(node.app(), &customer.caller, &slug.parse().unwrap(), request).await;
        let request = app::calls::TryRequest { version: None, call: testkit::request("add", json!({"a": 1, "b": 2})) };
        let tried = app::calls::try_tool(node.app(), &customer.caller, &slug.parse().unwrap(), request).await;

        for refused in [called.map(drop), tried.map(drop)] {
            assert!(
                matches!(&refused, Err(app::AppError::Internal { context, .. }) if context.contains("is not run")),
                "{tampering}: {refused:?}"
            );
        }
        // Put again, it is what it was, and nothing of the change is taken over.
        let put = customer.put(&slug, "add", ADD).await.unwrap();
        assert!(put.interface.description.starts_with("Adds"), "{tampering}: {:?}", put.interface);
        node.stop().await;
        sqlx::query("DELETE FROM servers").execute(&pool).await.unwrap();
    }
    test.stop().await;
}

/// A blob whose bytes are others is found out by its name, which is its digest, and made again.
#[sqlx::test(migrations = "../../migrations")]
async fn a_blob_that_was_exchanged_is_not_run(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let blob = find_blob(&pool, &test).await;
    sqlx::query("DELETE FROM artifacts").execute(&pool).await.unwrap();
    customer.deploy("evil", "add", &ADD.replace("a + b", "666")).await;
    let evil = std::fs::read(find_blob(&pool, &test).await).unwrap();
    customer.put("sums", "add", ADD).await.unwrap();
    std::fs::write(&blob, evil).unwrap();

    let node = start_without_native_code(&pool, &test).await;
    let answer = call_add(&node, &customer, "sums").await;

    assert_eq!(answer.outcome, Outcome::Success(json!({"sum": 3}).into()));
    node.stop().await;
    test.stop().await;
}

/// What makes code is bounded in time, and so is who waits for it.
#[sqlx::test(migrations = "../../migrations")]
async fn a_call_waits_for_its_code_for_so_long_and_no_longer(pool: PgPool) {
    let builder = TestApp::start_with(&pool, TestOptions::default()).await;
    let customer = builder.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let options = TestOptions { making_wait_max: Duration::from_micros(1), ..without_native_code(&builder) };
    let node = TestApp::start_with(&pool, options).await;

    let request = testkit::request("add", json!({"a": 1, "b": 2}));
    let refused = app::calls::call_tool(node.app(), &customer.caller, &"sums".parse().unwrap(), request).await;

    assert!(matches!(refused, Err(app::AppError::Busy { limit: None, .. })), "{refused:?}");
    node.stop().await;
    builder.stop().await;
}

/// RUN-11: after a change of the engine every tool is made again at its first call, and as many of a customer wait as may.
#[sqlx::test(migrations = "../../migrations")]
async fn who_tries_a_tool_goes_before_the_calls_whose_tools_are_made_again(pool: PgPool) {
    const TOOLS: usize = 8;
    let builder = TestApp::start(pool.clone()).await;
    let customer = builder.customer("pro").await;
    customer.deploy("own", "add", ADD).await;
    customer.create_server("many").await.unwrap();
    for index in 0..TOOLS {
        let name = format!("tool_{index}");
        customer.put("many", &name, &constant(&name, &index.to_string())).await.unwrap();
    }
    customer.release("many").await;
    let node = start_without_native_code(&pool, &builder).await;
    let busy = keep_the_worker_busy(&node).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let calls: Vec<_> = (0..TOOLS)
        .map(|index| {
            let (app, caller, answered) = (Arc::clone(node.app()), customer.caller.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                let request = testkit::request(&format!("tool_{index}"), json!({}));
                let answer = app::calls::call_tool(&app, &caller, &"many".parse().unwrap(), request).await;
                answered.fetch_add(1, Ordering::Relaxed);
                answer
            })
        })
        .collect();
    until(|| node.workers().waiting == TOOLS).await;

    let call = testkit::request("add", json!({"a": 1, "b": 2}));
    let attempt = app::calls::TryRequest { version: None, call };
    let own = "own".parse().unwrap();
    let (tried, ()) = tokio::join!(app::calls::try_tool(node.app(), &customer.caller, &own, attempt), async {
        until(|| node.workers().waiting == TOOLS + 1).await;
        assert!(!busy.is_finished(), "all of them wait for the one worker");
    });
    let before = answered.load(Ordering::Relaxed);

    assert_eq!(tried.unwrap().answer.outcome, Outcome::Success(json!({"sum": 3}).into()));
    // One is made while the code of the first is kept and runs.
    assert!(before <= 2, "{before} of {TOOLS} were made before");
    busy.await.unwrap();
    for call in calls {
        assert!(matches!(call.await.unwrap().unwrap().outcome, Outcome::Success(_)));
    }
    node.stop().await;
    builder.stop().await;
}

/// Somebody else's source, which takes the only worker for as long as a source may.
async fn keep_the_worker_busy(node: &TestApp) -> JoinHandle<()> {
    let other = node.customer("free").await;
    other.create_server("slow").await.unwrap();
    let busy = tokio::spawn(async move {
        let endless = format!("for (;;) {{}}\n{}", constant("endless", "1"));
        other.put("slow", "endless", &endless).await.unwrap_err();
    });
    until(|| node.workers().running == 1).await;
    busy
}

async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it comes to that");
}

/// Another node over the same database and artifacts that has never seen a tool.
async fn start_without_native_code(pool: &PgPool, builder: &TestApp) -> TestApp {
    TestApp::start_with(pool, without_native_code(builder)).await
}

/// Of a node that has the builder's artifacts and nothing else of it.
fn without_native_code(builder: &TestApp) -> TestOptions {
    let cache = Some(testkit::cache_without_tools());
    TestOptions { artifacts: Some(builder.artifacts()), cache, ..TestOptions::default() }
}

async fn call_add(node: &TestApp, customer: &TestCustomer, server: &str) -> CallAnswer {
    let request = testkit::request("add", json!({"a": 1, "b": 2}));
    app::calls::call_tool(node.app(), &customer.caller, &server.parse().unwrap(), request).await.unwrap()
}

/// The file of the only artifact.
async fn find_blob(pool: &PgPool, test: &TestApp) -> PathBuf {
    let digest: Vec<u8> = sqlx::query_scalar("SELECT artifact_digest FROM artifacts").fetch_one(pool).await.unwrap();
    let digest = Digest::try_from(digest.as_slice()).unwrap().to_string();
    test.artifacts().path().join(&digest[..2]).join(&digest)
}

/// Takes the lock of each artifact, as whoever keeps or deletes its bytes does.
async fn hold_artifacts(connection: &mut sqlx::PgConnection) {
    let lock =
        "SELECT pg_advisory_xact_lock(('x' || encode(substr(artifact_digest, 1, 8), 'hex'))::bit(64)::bigint) FROM artifacts";
    sqlx::query(lock).execute(connection).await.unwrap();
}

async fn wait_for_a_waiter(pool: &PgPool) {
    let waits = "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted)";
    let wait = async {
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(pool).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("somebody waits for the artifact");
}
