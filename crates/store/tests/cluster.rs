//! The private cluster under a program that stops, is killed, and starts again.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use domain::{CustomerId, Tier};
use store::{
    Database, Pool, PoolSettings,
    customers::{self, Customer},
    tiers,
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hold-cluster");

#[tokio::test]
async fn a_cluster_is_made_migrated_stopped_and_found_again() {
    let folder = TempDir::new().unwrap();
    let first = Program::start(folder.path(), Path::new("/tmp"));
    let customer = write_something(&folder.path().join("postgres/run")).await;
    let first_server = first.server();

    first.stop();

    assert!(!is_alive(first_server), "the server went with its program");
    let second = Program::start(folder.path(), Path::new("/tmp"));
    assert!(has(&folder.path().join("postgres/run"), customer).await);
    second.stop();
}

#[tokio::test]
async fn nothing_is_lost_or_left_when_the_program_is_killed() {
    let folder = TempDir::new().unwrap();
    let mut first = Program::start(folder.path(), Path::new("/tmp"));
    let socket = folder.path().join("postgres/run");
    let customer = write_something(&socket).await;
    let first_server = first.server();

    first.process.kill().unwrap();
    first.process.wait().unwrap();
    // At once: the earlier server may be going still.
    let second = Program::start(folder.path(), Path::new("/tmp"));

    assert!(!is_alive(first_server), "the server went with its program");
    assert!(has(&socket, customer).await);
    second.stop();
}

/// What one attempt left is not in the way of the next, which begins at once; and the earlier one, which may not have noticed yet, does nothing to it.
#[tokio::test]
async fn a_cluster_is_made_after_programs_were_killed_while_they_made_it() {
    let folder = TempDir::new().unwrap();
    for after_ms in [600, 20, 250] {
        let mut killed = Program::spawn(folder.path(), Path::new("/tmp"), None);
        tokio::time::sleep(std::time::Duration::from_millis(after_ms)).await;
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    // Told to end, `initdb` ends what it does and then throws away what it finds.
    let slow = "#!/bin/sh\ntrap 'sleep 0.3; rm -rf \"$2\"/*; exit 1' INT\ntouch \"$2/begun\"\nwhile :; do sleep 0.1; done\n";
    let slow = write_binaries(folder.path(), slow);
    let mut killed = Program::spawn(folder.path(), Path::new("/tmp"), Some(&slow));
    while !folder.path().join("postgres/data.unfinished/begun").exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    killed.kill().unwrap();
    killed.wait().unwrap();

    let program = Program::start(folder.path(), Path::new("/tmp"));

    let customer = write_something(&folder.path().join("postgres/run")).await;
    assert!(has(&folder.path().join("postgres/run"), customer).await, "{}", program.said);
    program.stop();
}

/// Nobody else would bring it back.
#[tokio::test]
async fn a_server_that_is_killed_is_started_again_and_stops_with_its_program() {
    let folder = TempDir::new().unwrap();
    let program = Program::start(folder.path(), Path::new("/tmp"));
    let socket = folder.path().join("postgres/run");
    let customer = write_something(&socket).await;
    let pid_file = folder.path().join("postgres/data/postmaster.pid");

    let killed = program.server();
    rustix::process::kill_process(rustix::process::Pid::from_raw(killed.cast_signed()).unwrap(), rustix::process::Signal::KILL)
        .unwrap();

    let begun = std::time::Instant::now();
    let again = loop {
        let lines = fs::read_to_string(&pid_file).unwrap_or_default();
        let pid = lines.lines().next().and_then(|pid| pid.trim().parse::<u32>().ok());
        if let Some(pid) = pid.filter(|pid| *pid != killed)
            && lines.lines().nth(7).is_some_and(|state| state.trim() == "ready")
        {
            break pid;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "it is not back: {lines}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(has(&socket, customer).await);
    program.stop();
    assert!(!is_alive(again), "it went with its program");
}

#[test]
fn a_second_instance_is_kept_out() {
    let folder = TempDir::new().unwrap();
    let first = Program::start(folder.path(), Path::new("/tmp"));

    let refused = Program::start(folder.path(), Path::new("/tmp"));

    assert!(refused.said.starts_with("error the data directory"), "{}", refused.said);
    assert!(refused.said.contains("is in use by another running instance"), "{}", refused.said);
    first.stop();
}

#[test]
fn a_half_made_cluster_is_thrown_away() {
    let folder = TempDir::new().unwrap();
    let unfinished = folder.path().join("postgres/data.unfinished");
    fs::create_dir_all(unfinished.join("base")).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "15\n").unwrap();

    let program = Program::start(folder.path(), Path::new("/tmp"));

    assert!(program.said.starts_with("ready"), "{}", program.said);
    assert!(!unfinished.exists());
    program.stop();
}

#[tokio::test]
async fn a_long_path_has_its_socket_elsewhere() {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let short = TempDir::new().unwrap();
    fs::set_permissions(short.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let data_dir = folder.path().join("x".repeat(90));

    let program = Program::start(&data_dir, short.path());

    let sockets: Vec<PathBuf> = fs::read_dir(short.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(sockets.len(), 1, "{}", program.said);
    write_something(&sockets[0]).await;
    program.stop();
}

#[test]
fn a_cluster_of_another_version_is_left_alone() {
    let folder = TempDir::new().unwrap();
    Program::start(folder.path(), Path::new("/tmp")).stop();
    let version = folder.path().join("postgres/data/PG_VERSION");
    fs::write(&version, "9\n").unwrap();

    let refused = Program::start(folder.path(), Path::new("/tmp"));

    assert!(refused.said.contains("is of PostgreSQL 9 and the binaries are of"), "{}", refused.said);
}

#[test]
fn a_wrong_folder_of_binaries_is_named() {
    let folder = TempDir::new().unwrap();

    let refused = Program::start_with(folder.path(), Path::new("/tmp"), Some(Path::new("/nowhere")));

    assert_eq!(refused.said, "error PG_BIN is /nowhere, which has no `initdb` and `postgres`\n");
}

/// A program that holds a cluster, and what it said of it.
struct Program {
    process: Child,
    said: String,
}

impl Program {
    fn start(data_dir: &Path, runtime_dir: &Path) -> Self {
        Self::start_with(data_dir, runtime_dir, None)
    }

    fn spawn(data_dir: &Path, runtime_dir: &Path, binaries: Option<&Path>) -> Child {
        let mut command = Command::new(PROGRAM);
        command.arg("hold").arg(data_dir).arg(runtime_dir).args(binaries);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    fn start_with(data_dir: &Path, runtime_dir: &Path, binaries: Option<&Path>) -> Self {
        let mut process = Self::spawn(data_dir, runtime_dir, binaries);
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        Self { process, said }
    }

    /// The process id of the server.
    fn server(&self) -> u32 {
        let mut words = self.said.split_whitespace();
        assert_eq!(words.next(), Some("ready"), "{}", self.said);
        words.next().unwrap().parse().unwrap()
    }

    fn stop(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder of programs whose `initdb` is this script.
fn write_binaries(folder: &Path, initdb: &str) -> PathBuf {
    let binaries = folder.join("bin");
    fs::create_dir(&binaries).unwrap();
    for name in ["initdb", "postgres"] {
        fs::write(binaries.join(name), initdb).unwrap();
        fs::set_permissions(binaries.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    binaries
}

/// A process that ended and that nobody has waited for yet counts as gone.
fn is_alive(process: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    state.rsplit(')').next().is_some_and(|fields| !fields.is_empty() && !fields.starts_with(" Z"))
}

async fn connect(socket: &Path) -> Pool {
    let url = format!("postgres:///postgres?host={}&user=app", socket.display());
    let database = Database::from_url(&url).unwrap();
    store::migrate::run(&database).await.unwrap();
    Pool::connect(&database, &PoolSettings::default()).await.unwrap()
}

async fn write_something(socket: &Path) -> CustomerId {
    let pool = connect(socket).await;
    let mut connection = pool.acquire().await.unwrap();
    let Tier { name: tier, .. } = tiers::list(&mut connection).await.unwrap().remove(0);
    let customer = Customer {
        id: CustomerId::new(),
        name: "Somebody".parse().unwrap(),
        tier,
        created_at: "2027-01-01T00:00:00Z".parse().unwrap(),
    };
    customers::insert(&mut connection, &customer).await.unwrap();
    customer.id
}

async fn has(socket: &Path, customer: CustomerId) -> bool {
    let pool = connect(socket).await;
    let mut connection = pool.acquire().await.unwrap();
    customers::find(&mut connection, customer).await.unwrap().is_some()
}
