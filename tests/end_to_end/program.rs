//! `toolwright serve` as a process of its own, with a data directory of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::api::Api;

pub(crate) const ADMIN_KEY: &str = "end-to-end-administrator-key-0123456789";
/// Of the folder of [`cache_directory`].
pub(crate) const CACHE_KEY: &str = "8d1f0c5a7b3e29461f80d2c4b6a9573e0f1d2c3b4a5968778695a4b3c2d1e0f9";
const START_MAX: Duration = Duration::from_mins(2);
const STOP_MAX: Duration = Duration::from_secs(30);

/// A data directory, and what is started on it.
pub(crate) struct Home {
    directory: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("toolwright-test-").tempdir().unwrap();
        // As root the database runs as another user, who must be able to reach its directory.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The program with the settings that every test shares; the compiled engine is kept for the next test.
    pub(crate) fn command(&self, command: &str) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_toolwright"));
        program
            .arg(command)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("TOOLWRIGHT_DATA_DIR", self.path())
            .env("TOOLWRIGHT_ADMIN_KEY", ADMIN_KEY)
            .env("TOOLWRIGHT_CACHE_DIR", cache_directory())
            .env("TOOLWRIGHT_CACHE_KEY", CACHE_KEY)
            .stdin(Stdio::null());
        program
    }

    /// A command that comes to the private cluster while a node runs on it, as one of another installation comes to its database.
    pub(crate) fn beside(&self, command: &str) -> Command {
        let mut program = self.command(command);
        let folder = self.path().canonicalize().unwrap().join("postgres/run");
        program.env("DATABASE_URL", format!("postgres:///postgres?host={}&user=app", folder.display()));
        program
    }

    /// Starts the program and waits until it is ready.
    pub(crate) async fn serve(&self) -> Program {
        self.serve_with(|_| ()).await
    }

    /// The same with other settings.
    pub(crate) async fn serve_with(&self, change: impl FnOnce(&mut Command)) -> Program {
        let mut program = self.start_with(change);
        program.wait_until_ready().await;
        program
    }

    /// Starts the program and does not wait.
    pub(crate) fn start_with(&self, change: impl FnOnce(&mut Command)) -> Program {
        let address = free_address();
        let log = self.path().join("program.log");
        let mut command = self.command("serve");
        let out = fs::File::options().create(true).append(true).open(&log).unwrap();
        command.env("TOOLWRIGHT_LISTEN", address.to_string()).stdout(out.try_clone().unwrap()).stderr(out);
        change(&mut command);
        Program { child: command.spawn().unwrap(), address, log }
    }
}

/// A running program; it is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Program {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far, of all starts on this directory.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The administrators' side of it.
    pub(crate) fn admin(&self) -> Api {
        Api::new(self.address, ADMIN_KEY)
    }

    /// A new customer of `tier`, by their own key.
    pub(crate) async fn customer(&self, tier: &str) -> Api {
        let admin = self.admin();
        let customer = admin.post("/admin/v1/customers", serde_json::json!({"name": "Customer", "tier": tier})).await.expect(201);
        let path = format!("/admin/v1/customers/{}/api-keys", customer["customer_id"].as_str().unwrap());
        let made = admin.post(&path, serde_json::json!({"name": "test"})).await.expect(201);
        Api::new(self.address, made["api_key"].as_str().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.id()).unwrap()).unwrap(), signal).unwrap();
    }

    /// Ends it as the power would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn stop(self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.wait().await
    }

    /// What it has written when it has ended, of all starts on this directory.
    pub(crate) async fn log_after_end(self) -> String {
        let log = self.log.clone();
        self.wait().await;
        fs::read_to_string(log).unwrap()
    }

    /// Waits until it has ended.
    async fn wait(mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < STOP_MAX, "the program did not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn wait_until_ready(&mut self) {
        let begun = Instant::now();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/health/ready", self.address);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the program ended while it started: {status}\n{}", self.log());
            }
            if client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(begun.elapsed() < START_MAX, "the program was not ready in time:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already, as the test wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Shared by all tests of one build, so that the engine is compiled once.
pub(crate) fn cache_directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    fs::create_dir_all(&directory).unwrap();
    directory
}

pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
