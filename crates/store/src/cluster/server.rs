//! The server as a child process.

use std::{
    fs::{self, File},
    io,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use child::{ChildLimits, DeathSignal, Launcher};
use rustix::process::{Pid, Signal};
use tokio::time::{Instant, sleep};

use super::{Account, Binaries, Cluster, ClusterError, ClusterSettings, Folders, account::run_as, at};

/// PostgreSQL bounds itself by its settings. An interrupt is its fast shutdown: connections are cut, data is safe.
const LIMITS: ChildLimits = ChildLimits {
    data_bytes_max: None,
    cpu_s_max: None,
    descriptors_max: None,
    niceness: 0,
    death_signal: DeathSignal::Interrupt,
};
/// Between two looks at whether it is ready or gone; a start takes some 100 ms.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Between two starts while an earlier server is still going.
const START_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// A fast shutdown writes a checkpoint, which on a slow disk takes its time. Then it is cut short, which costs a replay.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How much of the log an error shows.
const LOG_BYTES_MAX: usize = 2000;

#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// The child dies with the launcher's thread.
    _launcher: Launcher,
}

/// Makes a new cluster. Should this be cut off in the middle, what there is of it is thrown away by the next attempt.
pub(super) async fn make(
    binaries: &Binaries,
    folders: &Folders,
    account: Option<&Account>,
    launcher: &Launcher,
) -> Result<(), ClusterError> {
    folders.begin(account)?;
    let mut command = command(&binaries.initdb(), &folders.unfinished, account, launcher);
    command.arg("-D").arg(&folders.unfinished).args(["-U", Cluster::USER, "-A", "trust", "-E", "UTF8", "--locale=C"]);
    command.arg("--no-instructions").stdout(Stdio::null()).stderr(Stdio::piped());
    let child = launcher.spawn(command).map_err(ClusterError::Spawn)?;
    let output = tokio::task::spawn_blocking(|| child.wait_with_output())
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(ClusterError::Spawn)?;
    if !output.status.success() {
        return Err(ClusterError::Initdb(end_of(&output.stderr)));
    }
    folders.finish()
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
            let mut command = command(&binaries.postgres(), &folders.data, account, &launcher);
            command.arg("-D").arg(&folders.data).arg("-k").arg(&folders.socket);
            for setting in server_settings(settings) {
                command.arg("-c").arg(setting);
            }
            command.stdout(log.try_clone().map_err(at(&folders.log))?).stderr(log);
            let child = launcher.spawn(command).map_err(ClusterError::Spawn)?;
            let mut server = Self { child, _launcher: launcher.clone() };
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
        self.child.id()
    }

    /// How it ended, if it has.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        // What cannot be told is asked again.
        self.child.try_wait().ok().flatten()
    }

    /// Fast shutdown, then, if that takes too long, an immediate one, then none of its choice.
    pub(super) async fn stop(&mut self) {
        for (signal, wait_max) in [(Signal::INT, STOP_MAX), (Signal::QUIT, STOP_MAX / 6), (Signal::KILL, STOP_MAX / 6)] {
            self.signal(signal);
            let deadline = Instant::now() + wait_max;
            while Instant::now() < deadline {
                match self.child.try_wait() {
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
        let pid = self.child.id().to_string();
        loop {
            if let Some(status) = self.child.try_wait()? {
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

    fn signal(&mut self, signal: Signal) {
        // A child that was waited for has no process id any more: it may be another's.
        if let Ok(None) = self.child.try_wait() {
            let _ = rustix::process::kill_process(Pid::from_child(&self.child), signal);
        }
    }
}

impl Drop for Server {
    /// Whoever did not stop it in order does not wait for it either.
    fn drop(&mut self) {
        self.signal(Signal::INT);
    }
}

enum Ended {
    Exited(ExitStatus),
    Timeout,
}

fn command(program: &Path, folder: &Path, account: Option<&Account>, launcher: &Launcher) -> Command {
    let mut command = launcher.command(program, &LIMITS);
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
