//! A program of PostgreSQL's that nobody forgets: whoever drops it before its end tells it to end, and the launcher knows of it until it has.

use std::{
    io,
    process::{Child, ChildStderr, Command, ExitStatus},
};

use child::Launcher;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A child, and how it is ended.
#[derive(Debug)]
pub(super) struct Process {
    /// There until it is left to the launcher.
    child: Option<Child>,
    ending: Ending,
    /// The child dies with the launcher's thread.
    launcher: Launcher,
}

/// What is done to a process that is dropped before its end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// It is told to put its things in order.
    Interrupt,
    /// It is killed, and so are its own children: they have nothing to lose. It leads their group ([`Launcher::command`]).
    Kill,
}

impl Process {
    pub(super) fn start(command: Command, launcher: &Launcher, ending: Ending) -> io::Result<Self> {
        Ok(Self { child: Some(launcher.spawn(command)?), ending, launcher: launcher.clone() })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// What it writes about what goes wrong, if that is piped and was not taken yet.
    pub(super) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.as_mut()?.stderr.take()
    }

    /// How it ended, if it has.
    pub(super) fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.as_mut().map_or(Ok(None), Child::try_wait)
    }

    /// Signals it, unless it has ended.
    pub(super) fn signal(&mut self, signal: Signal) {
        if let Some(child) = &mut self.child {
            send(child, |process| kill_process(process, signal));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let is_told = match self.ending {
            Ending::Interrupt => send(&mut child, |process| kill_process(process, Signal::INT)),
            Ending::Kill => send(&mut child, |process| kill_process_group(process, Signal::KILL)),
        };
        if is_told {
            self.launcher.leave(child);
        }
    }
}

/// Does something to a process that has not ended; whether it had not. One that was waited for has no process id any more: it may be another's.
fn send(child: &mut Child, act: impl FnOnce(Pid) -> rustix::io::Result<()>) -> bool {
    let runs = matches!(child.try_wait(), Ok(None));
    if runs {
        let _ = act(Pid::from_child(child));
    }
    runs
}
