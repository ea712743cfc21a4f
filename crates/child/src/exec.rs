//! The body of the `exec-child` command.

use std::{
    convert::Infallible, ffi::OsString, fs, io, os::fd::RawFd, os::unix::process::CommandExt, path::PathBuf, process::Command,
};

use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::limits::{ChildLimits, DeathSignal, Orders};

/// Why a child did not become the program that it should.
#[derive(Debug, thiserror::Error)]
pub enum ExecChildError {
    /// The command line was not written by a [`Launcher`](crate::Launcher).
    #[error("`exec-child` is started by this program itself, not by hand: its arguments are not understood")]
    Arguments,
    /// The parent went before the child could ask for its death signal.
    #[error("the parent process {0} is gone already")]
    ParentGone(u32),
    /// The kernel refused the death signal.
    #[error("cannot ask for a signal at the parent's death")]
    DeathSignal(#[source] io::Error),
    /// The kernel refused a limit.
    #[error("cannot set the limit of {resource}")]
    Limit {
        /// Which.
        resource: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused to let it give way.
    #[error("cannot give way to other processes")]
    Niceness(#[source] io::Error),
    /// The kernel refused to let it keep to the rights that it has.
    #[error("cannot give up gaining rights")]
    Rights(#[source] io::Error),
    /// The open descriptors cannot be read: `/proc` is not mounted, for one.
    #[error("cannot list the open descriptors in /proc/self/fd")]
    Descriptors(#[source] io::Error),
    /// The program cannot be started.
    #[error("cannot start {}", program.display())]
    Exec {
        /// Which.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Puts the limits on this process and turns it into the program that `arguments` (those after `exec-child`) name. Comes back
/// only with an error.
///
/// It closes every descriptor above 2, so it must be the first thing that a process does.
pub fn exec_child(arguments: impl Iterator<Item = OsString>) -> ExecChildError {
    match limit_and_exec(arguments) {
        Err(error) => error,
    }
}

fn limit_and_exec(mut arguments: impl Iterator<Item = OsString>) -> Result<Infallible, ExecChildError> {
    let orders = Orders::parse(&mut arguments).ok_or(ExecChildError::Arguments)?;
    let program: PathBuf = arguments.next().ok_or(ExecChildError::Arguments)?.into();
    die_with(orders.parent, orders.limits.death_signal)?;
    // Whatever it becomes, a program that is another user's (setuid) gives it nothing of that user's.
    rustix::thread::set_no_new_privs(true).map_err(|error| ExecChildError::Rights(error.into()))?;
    close_descriptors()?;
    set_limits(&orders.limits)?;
    if orders.limits.niceness > 0 {
        rustix::process::nice(orders.limits.niceness.into()).map_err(|error| ExecChildError::Niceness(error.into()))?;
    }
    let source = Command::new(&program).args(arguments).exec();
    Err(ExecChildError::Exec { program, source })
}

/// Asks for the signal first and looks second: a parent that dies between the two is seen by one of them.
fn die_with(parent: u32, death_signal: DeathSignal) -> Result<(), ExecChildError> {
    let signal = match death_signal {
        DeathSignal::Interrupt => Signal::INT,
        DeathSignal::Kill => Signal::KILL,
    };
    rustix::process::set_parent_process_death_signal(Some(signal)).map_err(|error| ExecChildError::DeathSignal(error.into()))?;
    let parent_now = rustix::process::getppid().map(Pid::as_raw_nonzero).and_then(|pid| u32::try_from(pid.get()).ok());
    if parent_now == Some(parent) { Ok(()) } else { Err(ExecChildError::ParentGone(parent)) }
}

/// Ours are all close-on-exec already; these are what whoever started the parent left open in it.
fn close_descriptors() -> Result<(), ExecChildError> {
    let listed = fs::read_dir("/proc/self/fd").map_err(ExecChildError::Descriptors)?;
    let open: Vec<RawFd> = listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|&descriptor| descriptor > 2) {
        // The listing's own descriptor is in the list and closed by now: the only error there can be.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

fn set_limits(limits: &ChildLimits) -> Result<(), ExecChildError> {
    let bounds = [
        (Resource::Core, "core dumps", Some(0)),
        (Resource::Data, "memory", limits.data_bytes_max),
        (Resource::Cpu, "CPU time", limits.cpu_s_max),
        (Resource::Nofile, "descriptors", limits.descriptors_max),
    ];
    for (resource, name, bound) in bounds {
        let Some(bound) = bound else { continue };
        let bound = rustix::process::getrlimit(resource).maximum.map_or(bound, |in_force| bound.min(in_force));
        rustix::process::setrlimit(resource, Rlimit { current: Some(bound), maximum: Some(bound) })
            .map_err(|error| ExecChildError::Limit { resource: name, source: error.into() })?;
    }
    Ok(())
}
