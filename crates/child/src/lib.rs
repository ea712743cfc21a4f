//! Children that limit themselves and die with their parent.
//!
//! Between `fork` and `exec` only unsafe code can run (`pre_exec`), so nothing of ours runs there. A child is this program
//! again: its `exec-child` command ([`exec_child`]) sets the limits on itself, with safe calls, and becomes the program that
//! was asked for. [`Launcher`] writes that command line and starts it from a thread that stays, because Linux ties the death
//! signal to the thread that started the child, not to its process (prctl(2), `PR_SET_PDEATHSIG`).

mod exec;
mod launcher;
mod limits;

pub use exec::{ExecChildError, exec_child};
pub use launcher::Launcher;
pub use limits::{ChildLimits, DeathSignal};
