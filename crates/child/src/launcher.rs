//! Starting children from a thread that stays.

use std::{
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use crate::limits::{ChildLimits, Orders};

/// Starts children through the program's own `exec-child` command.
///
/// Clones share one thread. When the last of them is dropped that thread ends, and every child that is still there gets its
/// death signal: keep a launcher for as long as its children.
#[derive(Debug, Clone)]
pub struct Launcher {
    program: Arc<Path>,
    orders: mpsc::Sender<Order>,
    left: Arc<Mutex<Vec<Child>>>,
}

struct Order {
    command: Command,
    answer: mpsc::SyncSender<io::Result<Child>>,
}

impl Launcher {
    /// A launcher that starts `program` for `exec-child`: `/proc/self/exe` in the program itself, which works even where the
    /// user that a child becomes cannot reach the program's path; the path of the built program in tests.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        let (orders, received) = mpsc::channel::<Order>();
        // A thread that cannot be started drops `received`, and `spawn` says so.
        let _ = thread::Builder::new().name("launcher".to_owned()).spawn(move || {
            for mut order in received {
                let _ = order.answer.send(order.command.spawn());
            }
        });
        Self { program: program.into(), orders, left: Arc::default() }
    }

    /// The command that becomes `program` under `limits`: the caller adds arguments, environment, streams, user and group. The
    /// environment is empty. The child leads a process group of its own, so that a Ctrl-C at the terminal reaches this program
    /// alone, which then ends its children in its own order.
    #[must_use]
    pub fn command(&self, program: &Path, limits: &ChildLimits) -> Command {
        let orders = Orders { parent: std::process::id(), limits: *limits };
        let mut command = Command::new(&*self.program);
        command.env_clear().process_group(0).arg("exec-child").args(orders.to_arguments()).arg(program);
        command
    }

    /// Starts a command that [`Launcher::command`] made, on the thread that stays. Returns as soon as the kernel has started
    /// it, a few milliseconds at most.
    pub fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts children is gone");
        let (answer, answered) = mpsc::sync_channel(1);
        self.orders.send(Order { command, answer }).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }

    /// Takes over a child that was told to end by somebody who cannot wait for that.
    pub fn leave(&self, child: Child) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(child);
    }

    /// How many of those that were left have not ended yet. A program that ends before them leaves processes behind, so it asks until there are none.
    #[must_use]
    pub fn left(&self) -> usize {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // One that cannot be waited for is not ours any more.
        left.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        left.len()
    }
}
