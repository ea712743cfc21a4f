//! A Postgres of the test's own, which can be killed, frozen and started again.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::processes::{descendants, wait_until_gone};

const START_MAX: Duration = Duration::from_mins(1);

pub(crate) struct Postgres {
    folder: TempDir,
    settings: Vec<String>,
    /// A program and its arguments that the server is started by.
    wrapper: Vec<String>,
    server: Option<Child>,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        Self::start_with(&[], |_| Vec::new())
    }

    /// With other settings, and by another program that is told the folder.
    pub(crate) fn start_with(settings: &[&str], wrapper: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::Builder::new().prefix("toolwright-postgres-").tempdir_in("/tmp").unwrap();
        // As root it runs as another user, who must be able to reach it; and so must the program.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let wrapper = wrapper(folder.path());
        let mut postgres =
            Self { folder, settings: settings.iter().map(|&setting| setting.into()).collect(), wrapper, server: None };
        postgres.make();
        postgres.bring_back();
        postgres
    }

    pub(crate) fn url(&self) -> String {
        url_at(self.path())
    }

    /// The folder of its socket.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join(".s.PGSQL.5432")
    }

    /// Ends it as the power would: the server itself; its children see that and end.
    pub(crate) async fn kill(&mut self) {
        self.end(Signal::KILL).await;
    }

    /// What `pg_ctl stop -m immediate` does.
    pub(crate) async fn stop_at_once(&mut self) {
        self.end(Signal::QUIT).await;
    }

    /// It answers nothing from now on, and closes nothing.
    pub(crate) fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Starts it, and waits until it answers.
    #[expect(clippy::disallowed_methods, reason = "a test has nothing else to do on its thread meanwhile")]
    pub(crate) fn bring_back(&mut self) {
        let begun = Instant::now();
        loop {
            let mut server = self.spawn();
            while server.try_wait().unwrap().is_none() {
                if self.is_ready(server.id()) {
                    self.server = Some(server);
                    return;
                }
                assert!(begun.elapsed() < START_MAX, "Postgres is not ready in time: {}", self.log());
                std::thread::sleep(Duration::from_millis(10));
            }
            // The children of one that was killed may still be going.
            assert!(begun.elapsed() < START_MAX, "Postgres does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a statement gives, as the superuser: a line a row.
    pub(crate) fn sql(&self, statement: &str) -> String {
        let mut psql = Command::new(binaries().join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        let done = psql.arg(self.url()).args(["--command", statement]).output().unwrap();
        assert!(done.status.success(), "{statement}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn number(&self, statement: &str) -> i64 {
        self.sql(statement).parse().unwrap_or(0)
    }

    pub(crate) fn id(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path().join("server.log")).unwrap_or_default()
    }

    async fn end(&mut self, signal: Signal) {
        let mut server = self.server.take().unwrap();
        let children = descendants(server.id());
        send(server.id(), signal);
        server.wait().unwrap();
        wait_until_gone(&children, Duration::from_secs(20)).await;
    }

    fn signal_all(&self, signal: Signal) {
        let id = self.id();
        send(id, signal);
        for process in &descendants(id) {
            send(process.id, signal);
        }
    }

    fn make(&self) {
        let mut initdb = self.as_server(&[]);
        initdb.arg(binaries().join("initdb")).arg("--pgdata").arg(self.path().join("data"));
        initdb.args(["--username=app", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        let done = initdb.output().unwrap();
        assert!(done.status.success(), "initdb: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn spawn(&self) -> Child {
        let log = fs::File::create(self.path().join("server.log")).unwrap();
        let mut server = self.as_server(&self.wrapper);
        server.arg(binaries().join("postgres")).arg("-D").arg(self.path().join("data")).arg("-k").arg(self.path());
        let usual = ["listen_addresses=", "fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=60"];
        for setting in usual.into_iter().chain(self.settings.iter().map(String::as_str)) {
            server.arg("-c").arg(setting);
        }
        server.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    /// As the user that it runs as, and not longer than the test does.
    fn as_server(&self, wrapper: &[String]) -> Command {
        let mut command = match wrapper.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg("setpriv");
                command
            }
            None => Command::new("setpriv"),
        };
        if rustix::process::geteuid().is_root() {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        }
        command.arg("--pdeathsig=QUIT").current_dir(self.path()).stdin(Stdio::null());
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        command
    }

    fn is_ready(&self, id: u32) -> bool {
        let lines = fs::read_to_string(self.path().join("data/postmaster.pid")).unwrap_or_default();
        let line = |number: usize| lines.lines().nth(number).map(str::trim);
        line(0) == Some(&id.to_string()) && line(7) == Some("ready")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // A frozen one hears of nothing else.
            let children = descendants(server.id());
            send(server.id(), Signal::QUIT);
            send(server.id(), Signal::CONT);
            for process in &children {
                send(process.id, Signal::CONT);
            }
            server.wait().ok();
        }
    }
}

/// Where a server is whose socket is in this folder.
pub(crate) fn url_at(folder: &Path) -> String {
    format!("postgres:///postgres?host={}&user=app", folder.display())
}

fn send(id: u32, signal: Signal) {
    // It may have ended.
    let _ = kill_process(Pid::from_raw(id.cast_signed()).unwrap(), signal);
}

/// As the program finds them: named, or Debian's newest.
#[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
fn binaries() -> PathBuf {
    if let Some(named) = std::env::var_os("PG_BIN") {
        return named.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed, or PG_BIN names its folder");
    let mut found: Vec<PathBuf> = versions.map(|version| version.unwrap().path().join("bin")).collect();
    found.sort();
    found.pop().expect("PostgreSQL is installed, or PG_BIN names its folder")
}
