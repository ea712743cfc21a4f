//! A worker that somebody has taken over, for the tests of the pool: it confines itself as the real one does, and then does, instead of a
//! build, what its "source" names.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{TcpListener, UdpSocket},
    os::unix::{net::UnixStream, process::CommandExt as _},
    process::{Command, ExitCode},
    sync::mpsc,
    thread,
};

use rustix::process::{Resource, Rlimit, Signal};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("exec-child") => {
            let error = child::exec_child(arguments);
            let _ = writeln!(io::stderr(), "cannot become a worker: {error}");
            ExitCode::FAILURE
        }
        Some("compile-worker") if serve().is_ok() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The first request prepares; each one after it is a build.
fn serve() -> io::Result<()> {
    read_body()?;
    let (order, ordered) = mpsc::channel::<String>();
    let (tell, told) = mpsc::channel::<io::Result<()>>();
    // A thread that was there before the filters were.
    thread::spawn(move || ordered.into_iter().try_for_each(|act| tell.send(attempt(&act))));
    compiler::confine().map_err(io::Error::other)?;
    answer("\"Ready\"")?;
    while let Some(source) = read_body()? {
        let done = match source.strip_prefix("elsewhere: ") {
            Some(act) => {
                order.send(act.to_owned()).map_err(io::Error::other)?;
                told.recv().map_err(io::Error::other)?
            }
            None => attempt(&source),
        };
        let message = match done {
            Ok(()) => "done".to_owned(),
            Err(error) => format!("refused: {:?}", error.kind()),
        };
        answer(&format!("{{\"Internal\":{{\"message\":\"{message}\"}}}}"))?;
    }
    Ok(())
}

fn attempt(act: &str) -> io::Result<()> {
    match act {
        "listen" => TcpListener::bind("127.0.0.1:0").map(drop),
        "send" => UdpSocket::bind("127.0.0.1:0").map(drop),
        "unix socket" => UnixStream::pair().map(drop),
        "start a program" => Command::new("/bin/true").status().map(drop),
        "become a program" => Err(Command::new("/bin/true").exec()),
        "write a file" => fs::write(std::env::temp_dir().join("written-by-a-worker"), "x"),
        "delete a file" => fs::remove_file("/nowhere/at-all"),
        "make a folder" => fs::create_dir("/nowhere/at-all"),
        "read a file" => fs::read("/proc/self/status").map(drop),
        "list a folder" => fs::read_dir("/proc/self/fd").map(drop),
        "signal another process" => Ok(rustix::process::kill_process(rustix::process::Pid::INIT, Signal::CONT)?),
        "raise a limit" => {
            let limit = rustix::process::getrlimit(Resource::Core);
            Ok(rustix::process::setrlimit(Resource::Core, Rlimit { current: limit.current, maximum: limit.maximum })?)
        }
        "start a thread" => thread::spawn(|| ()).join().map_err(|_| io::Error::other("it broke off")),
        _ => Ok(()),
    }
}

/// What follows the head of the next frame: `length || length of the head || head || body`.
fn read_body() -> io::Result<Option<String>> {
    let mut length = [0; 4];
    if io::stdin().read_exact(&mut length).is_err() {
        return Ok(None);
    }
    let mut rest = vec![0; u32::from_le_bytes(length) as usize];
    io::stdin().read_exact(&mut rest)?;
    let broken = || io::Error::other("a frame breaks off");
    let (head_bytes, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
    let body = rest.get(u32::from_le_bytes(*head_bytes) as usize..).ok_or_else(broken)?;
    String::from_utf8(body.to_vec()).map(Some).map_err(io::Error::other)
}

fn answer(head: &str) -> io::Result<()> {
    let bytes = |length: usize| u32::try_from(length).map(u32::to_le_bytes).map_err(io::Error::other);
    let frame = [&bytes(head.len() + 4)?, &bytes(head.len())?, head.as_bytes()].concat();
    io::stdout().write_all(&frame)?;
    io::stdout().flush()
}
