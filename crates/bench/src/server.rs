//! The real program as a process of its own, on a data directory of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use http::Request;
use http_body_util::Full;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::connection::{BenchError, Connection};

/// How long a start may take before the benchmark gives up.
const START_MAX: Duration = Duration::from_mins(1);

/// What the settings of the section `limits` may be at most: none of them is reached.
const RATE_MAX: &str = "100000000";

/// The connections that may be open from one address: from here come a neighbour's thousand loops as well as what is measured.
const CONNECTIONS_MAX: &str = "10000";

/// A running server; it is stopped when this is dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From starting the process to its first "ready".
    pub start: Duration,
    /// The administrator's key.
    pub admin_key: String,
}

impl Server {
    /// Starts `toolwright serve`, which stands beside this program, on `data`.
    pub async fn start(data: &Path) -> Result<Self, BenchError> {
        Self::start_with(data, |_| ()).await
    }

    /// The same with other settings.
    pub async fn start_with(data: &Path, change: impl FnOnce(&mut Command)) -> Result<Self, BenchError> {
        Self::start_program(&program("toolwright")?, data, change).await
    }

    /// The same of another build.
    pub async fn start_program(program: &Path, data: &Path, change: impl FnOnce(&mut Command)) -> Result<Self, BenchError> {
        let address = free_address()?;
        let admin_key = "benchmark-administrator-key-0123456789".to_owned();
        let begun = Instant::now();
        let mut command = Command::new(program);
        command
            .arg("serve")
            .env("TOOLWRIGHT_DATA_DIR", data)
            .env("TOOLWRIGHT_LISTEN", address.to_string())
            .env("TOOLWRIGHT_ADMIN_KEY", &admin_key)
            // All of the load comes from one address.
            .env("TOOLWRIGHT_REQUESTS_PER_MINUTE_MAX", RATE_MAX)
            .env("TOOLWRIGHT_TOKENS_PER_MINUTE_MAX", RATE_MAX)
            .env("TOOLWRIGHT_LOGINS_PER_MINUTE_MAX", RATE_MAX)
            .env("TOOLWRIGHT_READS_PER_MINUTE_MAX", RATE_MAX)
            .env("TOOLWRIGHT_WRITES_PER_MINUTE_MAX", RATE_MAX)
            .env("TOOLWRIGHT_WRITES_PER_DAY_MAX", RATE_MAX)
            .env("TOOLWRIGHT_TRIES_PER_MINUTE_MAX", RATE_MAX)
            .env("TOOLWRIGHT_NETWORK_CONNECTIONS_MAX", CONNECTIONS_MAX)
            .env_remove("DATABASE_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(data.join("server.log")).map_err(BenchError::io("cannot write the server's log"))?);
        change(&mut command);
        let child = command.spawn().map_err(BenchError::io("cannot start the server"))?;
        let mut server = Self { child, address, start: Duration::ZERO, admin_key };
        server.wait_until_ready(begun).await?;
        server.start = begun.elapsed();
        Ok(server)
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A customer of a tier without bounds on rates, and its key.
    pub async fn create_customer(&self) -> Result<String, BenchError> {
        let mut admin = Connection::open(self.address).await?;
        let key = &self.admin_key;
        let tier = admin.call("GET", "/admin/v1/tiers/enterprise", key, &Value::Null).await?;
        let mut limits = tier.get("limits").cloned().unwrap_or_default();
        for (name, value) in [
            ("calls_per_minute_max", 4_000_000_u64),
            ("builds_per_hour_max", 1_000_000),
            ("concurrent_calls_max", 1024),
            ("servers_max", 2_000),
            ("tools_per_server_max", 1_000),
        ] {
            if let Some(members) = limits.as_object_mut() {
                members.insert(name.to_owned(), value.into());
            }
        }
        admin.call("PUT", "/admin/v1/tiers/bench", key, &json!({"limits": limits})).await?;
        let customer = admin.call("POST", "/admin/v1/customers", key, &json!({"name": "Bench", "tier": "bench"})).await?;
        let id = customer.get("customer_id").and_then(Value::as_str).unwrap_or_default();
        let made = admin.call("POST", &format!("/admin/v1/customers/{id}/api-keys"), key, &json!({"name": "bench"})).await?;
        Ok(made.get("api_key").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// What the server's metrics say of `name`, without the prefix of all of them: a level or a total.
    pub async fn level(&self, name: &str) -> Result<u64, BenchError> {
        let failed = |error: http::Error| BenchError::Failed(format!("cannot make a request: {error}"));
        let request =
            Request::get("/metrics").header("host", "localhost").header("authorization", format!("Bearer {}", self.admin_key));
        let answer = Connection::open(self.address).await?.send(request.body(Full::default()).map_err(failed)?).await?;
        let text = String::from_utf8_lossy(&answer);
        let line = text.lines().find_map(|line| line.strip_prefix("toolwright_")?.strip_prefix(name)?.strip_prefix(' '));
        let level = line.and_then(|number| number.trim().parse::<f64>().ok());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count is far below 2^53 and not negative")]
        level.map(|level| level as u64).ok_or_else(|| BenchError::Failed(format!("the metrics do not say `toolwright_{name}`")))
    }

    async fn wait_until_ready(&mut self, begun: Instant) -> Result<(), BenchError> {
        while begun.elapsed() < START_MAX {
            if let Some(status) = self.child.try_wait().map_err(BenchError::io("cannot watch the server"))? {
                return Err(BenchError::Failed(format!("the server ended while it started: {status}")));
            }
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection.call("GET", "/health/ready", "", &Value::Null).await.is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(BenchError::Failed(format!("the server was not ready within {} s", START_MAX.as_secs())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // A server that has ended already needs no signal.
            kill_process(id, Signal::TERM).ok();
        }
        self.child.wait().ok();
    }
}

/// A directory for the data of a server, which is removed when it is dropped.
pub fn directory() -> Result<tempfile::TempDir, BenchError> {
    let directory = tempfile::tempdir().map_err(BenchError::io("cannot make a directory"))?;
    // As root the database runs as another user, who must reach its directory.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).map_err(BenchError::io("cannot open the directory"))?;
    Ok(directory)
}

/// A program that was built beside this one.
pub fn program(name: &str) -> Result<PathBuf, BenchError> {
    let own = std::env::current_exe().map_err(BenchError::io("cannot tell where this program is"))?;
    let path = own.with_file_name(name);
    if path.exists() { Ok(path) } else { Err(BenchError::Failed(format!("{} is missing: build it first", path.display()))) }
}

fn free_address() -> Result<SocketAddr, BenchError> {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(BenchError::io("cannot find a free port"))
}
