//! A database of the test's own, which outlives the lives of the program.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use child::Launcher;
use store::cluster::{Cluster, ClusterSettings};
use tempfile::TempDir;
use testkit::DatabaseObserver;

pub(super) struct OwnDatabase {
    cluster: Cluster,
    folder: TempDir,
}

impl OwnDatabase {
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
    pub(super) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        // The server of a test that runs as root runs as somebody else.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let settings = ClusterSettings {
            data_dir: folder.path().to_owned(),
            runtime_dir: "/tmp".into(),
            binaries: std::env::var_os("PG_BIN").map(Into::into),
            search_path: std::env::var_os("PATH"),
            // Those of a life, of the one before it that go, and of the test.
            connections_max: 60,
            start_timeout: Duration::from_mins(1),
        };
        let launcher = Launcher::new(PathBuf::from(env!("CARGO_BIN_EXE_toolwright")));
        Self { cluster: Cluster::start(&settings, launcher).await.unwrap(), folder }
    }

    pub(super) fn url(&self) -> String {
        format!("postgres:///postgres?host={}&user=app", self.folder.path().join("postgres/run").display())
    }

    pub(super) async fn observe(&self) -> DatabaseObserver {
        DatabaseObserver::connect(&self.url()).await
    }

    pub(super) async fn stop(self) {
        self.cluster.stop().await;
    }
}

/// Waits until no connection is left of lives that were started before `moment`.
pub(super) async fn wait_for_connections_to_go(observer: &mut DatabaseObserver, moment: SystemTime, at_most: Duration) {
    let begun = Instant::now();
    let seconds = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    loop {
        let left = observer
            .texts(&format!(
                "SELECT concat_ws(' ', pid, state, wait_event, query) FROM pg_stat_activity
                WHERE application_name = 'toolwright' AND backend_start < to_timestamp({seconds})"
            ))
            .await;
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < at_most, "a killed program's connections are still there: {left:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
