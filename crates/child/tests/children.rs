//! What a child has, what it has not, and when it goes.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use child::{ChildLimits, DeathSignal, Launcher};
use rustix::io::FdFlags;

const PROGRAM: &str = env!("CARGO_BIN_EXE_exec-child");
const NO_LIMITS: ChildLimits =
    ChildLimits { data_bytes_max: None, cpu_s_max: None, descriptors_max: None, niceness: 0, death_signal: DeathSignal::Kill };

#[test]
fn a_child_has_the_limits_it_was_given() {
    let limits = ChildLimits {
        data_bytes_max: Some(256 << 20),
        cpu_s_max: Some(7),
        descriptors_max: Some(33),
        niceness: 5,
        death_signal: DeathSignal::Kill,
    };

    let in_force = output_of(&limits, "/bin/cat", &["/proc/self/limits"]);

    assert_eq!(limit(&in_force, "Max data size"), ["268435456", "268435456"]);
    assert_eq!(limit(&in_force, "Max cpu time"), ["7", "7"]);
    assert_eq!(limit(&in_force, "Max open files"), ["33", "33"]);
    assert_eq!(limit(&in_force, "Max core file size"), ["0", "0"]);
    // Field 19 of proc(5), counted from behind the name.
    let stat = output_of(&limits, "/bin/cat", &["/proc/self/stat"]);
    assert_eq!(stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16), Some("5"));
}

#[test]
fn a_child_that_spins_is_killed_when_its_cpu_time_is_used_up() {
    let launcher = Launcher::new(PROGRAM.into());
    let mut command = launcher.command(Path::new("/bin/sh"), &ChildLimits { cpu_s_max: Some(1), ..NO_LIMITS });
    command.args(["-c", "while :; do :; done"]);

    let status = launcher.spawn(command).unwrap().wait().unwrap();

    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

#[test]
fn a_child_has_no_descriptor_but_the_first_three() {
    let stray = rustix::io::fcntl_dupfd_cloexec(File::open("/dev/null").unwrap(), 100).unwrap();
    rustix::io::fcntl_setfd(&stray, FdFlags::empty()).unwrap();

    let open = output_of(&NO_LIMITS, "/bin/ls", &["/proc/self/fd"]);

    // The fourth is the folder that `ls` is reading.
    assert_eq!(open.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
}

#[test]
fn a_child_has_no_environment() {
    let environment = output_of(&NO_LIMITS, "/usr/bin/env", &[]);

    assert_eq!(environment, "");
}

#[test]
fn a_child_gains_no_rights() {
    let status = output_of(&NO_LIMITS, "/bin/cat", &["/proc/self/status"]);

    assert!(status.lines().any(|line| line == "NoNewPrivs:\t1"), "{status}");
}

#[test]
fn a_child_leads_a_process_group_of_its_own() {
    let groups = output_of(&NO_LIMITS, "/bin/sh", &["-c", "read -r stat < /proc/self/stat; echo $stat"]);

    let fields: Vec<&str> = groups.split_whitespace().collect();
    assert_eq!(fields[0], fields[4], "process and process group of {groups}");
}

#[test]
fn a_child_hears_of_its_parents_death() {
    // Whoever runs tests in the background of a shell ignores SIGINT, and what is started inherits that.
    let mut parent = Command::new("/usr/bin/env")
        .args(["--default-signal=INT", PROGRAM, "hold", "/bin/sh", "-c"])
        .arg("trap 'kill $!; echo interrupted; exit' INT; sleep 60 >/dev/null & echo started; wait")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(parent.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let started = Instant::now();

    parent.kill().unwrap();

    parent.wait().unwrap();
    output.read_to_string(&mut line).unwrap();
    assert_eq!(line, "started\ninterrupted\n");
    assert!(started.elapsed() < Duration::from_secs(30), "the child ended by itself");
}

#[test]
fn a_child_that_is_left_is_known_until_it_has_ended() {
    let launcher = Launcher::new(PROGRAM.into());
    let mut command = launcher.command(Path::new("/bin/sh"), &NO_LIMITS);
    command.args(["-c", "read -r line"]).stdin(Stdio::piped());
    let mut child = launcher.spawn(command).unwrap();
    let input = child.stdin.take();

    launcher.clone().leave(child);

    assert_eq!(launcher.left(), 1);
    drop(input);
    let begun = Instant::now();
    while launcher.left() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it has not ended");
        std::thread::yield_now();
    }
}

#[test]
fn children_go_with_the_last_launcher() {
    let launcher = Launcher::new(PROGRAM.into());
    let mut command = launcher.command(Path::new("/bin/sh"), &NO_LIMITS);
    command.args(["-c", "echo started; exec sleep 60"]).stdout(Stdio::piped());
    let mut child = launcher.clone().spawn(command).unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(child.try_wait().unwrap().is_none());

    drop(launcher);

    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(9));
}

#[test]
fn a_child_whose_parent_is_gone_does_not_start() {
    let output = Command::new(PROGRAM)
        .args(["exec-child", "--parent=1", "--death-signal=kill", "--niceness=0", "--", "/bin/echo", "alive"])
        .output()
        .unwrap();

    assert_eq!(output.stdout, b"");
    assert!(String::from_utf8_lossy(&output.stderr).contains("ParentGone(1)"), "{output:?}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let launcher = Launcher::new(PROGRAM.into());
    let mut command = launcher.command(Path::new("/nowhere/at-all"), &NO_LIMITS);
    command.stderr(Stdio::piped());

    let output = launcher.spawn(command).unwrap().wait_with_output().unwrap();

    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/at-all"), "{output:?}");
}

fn output_of(limits: &ChildLimits, program: &str, arguments: &[&str]) -> String {
    let launcher = Launcher::new(PROGRAM.into());
    let mut command = launcher.command(Path::new(program), limits);
    command.args(arguments).stdout(Stdio::piped());
    let output = launcher.spawn(command).unwrap().wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Soft and hard value of one line of `/proc/self/limits`.
fn limit<'a>(in_force: &'a str, name: &str) -> [&'a str; 2] {
    let line = in_force.lines().find(|line| line.starts_with(name)).unwrap();
    let mut values = line[name.len()..].split_whitespace();
    [values.next().unwrap(), values.next().unwrap()]
}
