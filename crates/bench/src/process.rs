//! A part of this program in a process of its own, so that its CPU time is its own.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use crate::{connection::BenchError, server::program};

/// It is ended when this is dropped.
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts `bench <part>`, which prints its address first.
    pub(crate) fn start(part: &str) -> Result<Self, BenchError> {
        let mut child = Command::new(program("bench")?)
            .arg(part)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::io("cannot start a part of the benchmark"))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(BenchError::io("cannot read the part's address"))?;
        }
        let address =
            line.trim().parse().map_err(|_| BenchError::Failed(format!("{part} did not tell its address: {line:?}")))?;
        Ok(Self { child, address })
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already needs no kill.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
