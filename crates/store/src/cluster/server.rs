//! The server as a child process.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use child::{ChildLimits, DeathSignal, Launcher};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::{
    Account, Binaries, Cluster, ClusterError, ClusterSettings, Folders,
    account::run_as,
    at,
    process::{Ending, Process},
};

/// Between two attempts to make a cluster where an earlier one, whose program was killed, may still write.
const MAKE_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// How long that may be so: what it writes with is at its end as soon as it sees that its own parent has gone.
const EARLIER_ATTEMPT_MAX: Duration = Duration::from_secs(20);
/// Between two looks at whether it is ready or gone; a start takes some 100 ms.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Between two starts while an earlier server is still going.
const START_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// A fast shutdown writes a checkpoint, which on a slow disk takes its time. Then it is cut short, which costs a replay.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How much of the log an error shows.
const LOG_BYTES_MAX: usize = 2000;

#[derive(Debug)]
pub(super) struct Server(Process);

/// Makes a new cluster. Should this be cut off in the middle, what there is of it is thrown away by the next attempt; so it is killed where it stands, and
/// its own children with it. Told to end, it would first end what it does, and throw away what there is: by then that may be the next attempt's.
pub(super) async fn make(
    binaries: &Binaries,
    folders: &Folders,
    account: Option<&Account>,
    launcher: &Launcher,
) -> Result<(), ClusterError> {
    begin(folders, account).await?;
    let mut command = command(&binaries.initdb(), &folders.unfinished, account, launcher, DeathSignal::Kill);
    command.arg("-D").arg(&folders.unfinished).args(["-U", Cluster::USER, "-A", "trust", "-E", "UTF8", "--locale=C"]);
    command.arg("--no-instructions").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut initdb = Process::start(command, launcher, Ending::Kill).map_err(ClusterError::Spawn)?;
    let stderr = initdb.take_stderr();
    let said = tokio::task::spawn_blocking(move || {
        let mut said = Vec::new();
        stderr.map_or(Ok(0), |mut stderr| stderr.read_to_end(&mut said)).map(|_| said)
    });
    let said = said.await.map_err(io::Error::other).flatten().map_err(ClusterError::Spawn)?;
    let status = loop {
        match initdb.status().map_err(ClusterError::Spawn)? {
            Some(status) => break status,
            None => sleep(LOOK_EVERY).await,
        }
    };
    if !status.success() {
        return Err(ClusterError::Initdb(end_of(&said)));
    }
    folders.finish()
}

/// Empties the folder for a new cluster, when nobody writes there any more.
async fn begin(folders: &Folders, account: Option<&Account>) -> Result<(), ClusterError> {
    let deadline = Instant::now() + EARLIER_ATTEMPT_MAX;
    loop {
        match folders.begin(account) {
            Err(ClusterError::File { source, .. })
                if source.kind() == io::ErrorKind::DirectoryNotEmpty && Instant::now() < deadline =>
            {
                sleep(MAKE_AGAIN_AFTER).await;
            }
            done => return done,
        }
    }
}

impl Server {
    /// Starts the server and waits until it is ready. An earlier one, whose program was killed, may still be going: that is
    /// waited for.
    pub(super) async fn start(
        binaries: &Binaries,
        folders: &Folders,
        account: Option<&Account>,
        settings: &ClusterSettings,
        launcher: Launcher,
    ) -> Result<Self, ClusterError> {
        let deadline = Instant::now() + settings.start_timeout;
        loop {
            let log = File::create(&folders.log).map_err(at(&folders.log))?;
            // An interrupt is its fast shutdown: connections are cut, data is safe.
            let mut command = command(&binaries.postgres(), &folders.data, account, &launcher, DeathSignal::Interrupt);
            command.arg("-D").arg(&folders.data).arg("-k").arg(&folders.socket);
            for setting in server_settings(settings) {
                command.arg("-c").arg(setting);
            }
            command.stdout(log.try_clone().map_err(at(&folders.log))?).stderr(log);
            let mut server = Self(Process::start(command, &launcher, Ending::Interrupt).map_err(ClusterError::Spawn)?);
            let Some(status) = server.wait_until_ready(&folders.data, deadline).await.map_err(ClusterError::Spawn)? else {
                return Ok(server);
            };
            let log = read_log(&folders.log);
            match status {
                Ended::Timeout => {
                    server.stop().await;
                    return Err(ClusterError::Timeout { timeout: settings.start_timeout, log });
                }
                Ended::Exited(_) if is_earlier_server_in_the_way(&log) && Instant::now() < deadline => {
                    sleep(START_AGAIN_AFTER).await;
                }
                Ended::Exited(status) => return Err(ClusterError::Exited { status, log }),
            }
        }
    }

    pub(super) fn process_id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        // What cannot be told is asked again.
        self.0.status().ok().flatten()
    }

    /// Fast shutdown, then, if that takes too long, an immediate one, then none of its choice.
    pub(super) async fn stop(&mut self) {
        for (signal, wait_max) in [(Signal::INT, STOP_MAX), (Signal::QUIT, STOP_MAX / 6), (Signal::KILL, STOP_MAX / 6)] {
            self.0.signal(signal);
            let deadline = Instant::now() + wait_max;
            while Instant::now() < deadline {
                match self.0.status() {
                    Ok(None) => sleep(LOOK_EVERY).await,
                    Ok(Some(_)) | Err(_) => return,
                }
            }
            tracing::warn!(?signal, "the database server does not stop");
        }
    }

    /// The server says that it is ready in the eighth line of its pid file, whose first is its process id: the file of an
    /// earlier server says nothing.
    async fn wait_until_ready(&mut self, data: &Path, deadline: Instant) -> io::Result<Option<Ended>> {
        let pid = self.0.id().to_string();
        loop {
            if let Some(status) = self.0.status()? {
                return Ok(Some(Ended::Exited(status)));
            }
            let lines = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            let line = |number: usize| lines.lines().nth(number).map(str::trim);
            if line(0) == Some(&pid) && line(7) == Some("ready") {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                return Ok(Some(Ended::Timeout));
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

enum Ended {
    Exited(ExitStatus),
    Timeout,
}

fn command(program: &Path, folder: &Path, account: Option<&Account>, launcher: &Launcher, death_signal: DeathSignal) -> Command {
    // PostgreSQL bounds itself by its settings.
    let limits = ChildLimits { data_bytes_max: None, cpu_s_max: None, descriptors_max: None, niceness: 0, death_signal };
    let mut command = launcher.command(program, &limits);
    command.current_dir(folder).stdin(Stdio::null()).env("LC_ALL", "C").env("TZ", "UTC").env("PATH", "/usr/bin:/bin");
    run_as(&mut command, account);
    command
}

fn server_settings(settings: &ClusterSettings) -> [String; 8] {
    // Room for a person with psql, and for those that PostgreSQL keeps for superusers.
    let connections_max = settings.connections_max.saturating_add(10);
    [
        "listen_addresses=".to_owned(),
        "unix_socket_permissions=0700".to_owned(),
        format!("max_connections={connections_max}"),
        "shared_buffers=128MB".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        // A refused statement is logged by the program that sent it. Its values are nobody else's business.
        "log_min_error_statement=panic".to_owned(),
        "log_error_verbosity=terse".to_owned(),
    ]
}

/// What PostgreSQL says when another has the data folder or the socket.
fn is_earlier_server_in_the_way(log: &str) -> bool {
    ["already exists", "still in use", "already in use"].iter().any(|words| log.contains(words))
}

fn read_log(path: &Path) -> String {
    end_of(&fs::read(path).unwrap_or_default())
}

fn end_of(text: &[u8]) -> String {
    let start = text.len().saturating_sub(LOG_BYTES_MAX);
    String::from_utf8_lossy(text.get(start..).unwrap_or_default()).trim().to_owned()
}
