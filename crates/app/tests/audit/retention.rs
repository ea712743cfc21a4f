//! The command that shortens the log.

use std::process::{Command, Output, Stdio};

use app::audit::{self, ActorKind};
use chrono::TimeDelta;
use domain::{Clock as _, SystemClock};
use sqlx::{ConnectOptions as _, PgPool};
use testkit::{TestApp, TestOptions};

use super::Log;

pub(crate) const OPERATIONS: &[&str] = &["prune_audit"];

#[sqlx::test(migrations = "../../migrations")]
async fn the_oldest_entries_go_by_a_command_alone_which_leaves_one_entry(pool: PgPool) {
    let old = std::sync::Arc::new(domain::SetClock::at(SystemClock.now() - TimeDelta::days(120)));
    let then = TestApp::start_with(&pool, TestOptions { clock: old, ..TestOptions::default() }).await;
    then.customer("free").await;
    then.stop().await;
    let test = TestApp::start(pool.clone()).await;
    test.customer("free").await;
    let log = Log::of(&test);
    let before = log.entries().await;
    let (old, young): (Vec<_>, Vec<_>) =
        before.iter().cloned().partition(|entry| entry.made_at < SystemClock.now() - TimeDelta::days(119));
    let days_ago = |days| (SystemClock.now() - TimeDelta::days(days)).date_naive().to_string();

    let refused = prune(&pool, &days_ago(30));
    let nothing = prune(&pool, &days_ago(150));
    assert_eq!(log.entries().await, before);
    let pruned = prune(&pool, &days_ago(100));

    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && words.contains("stay for 90 days"), "{words}");
    assert!(nothing.status.success(), "{nothing:?}");
    assert!(pruned.status.success(), "{pruned:?}");
    let told = format!("deleted {} entries that were made before {}\n", old.len(), days_ago(100));
    assert_eq!(String::from_utf8(pruned.stdout).unwrap(), told);
    let mut after = log.entries().await;
    let entry = after.remove(0);
    assert_eq!((after, old.len() > 1), (young, true));
    assert_eq!((entry.operation.as_str(), entry.actor.kind), ("prune_audit", ActorKind::Program));
    assert_eq!(entry.details["count"], old.len());
    assert!(audit::operations().contains(&entry.operation), "it is asked for by its name");
    test.stop().await;
}

/// `toolwright audit prune` on this database.
fn prune(pool: &PgPool, before: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(testkit::program())
        .args(["audit", "prune", "--before", before])
        .env_clear()
        .env("DATABASE_URL", pool.connect_options().to_url_lossy().as_str())
        .env("TOOLWRIGHT_DATA_DIR", home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
