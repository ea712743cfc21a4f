//! What a worker may ask of the kernel once it is set up: the wall behind the wall.
//!
//! A source or a component that breaks out of the parser, of wasmtime or of Cranelift finds itself in a process that can compute, speak with its
//! parent through the pipes that it has, and nothing else. seccomp(2) tells three sorts of system calls apart: what a build needs is
//! done; what libraries only try, to do without if it fails, is refused with an error; anything else ends the process. So a call
//! that nobody thought of is not one that somebody can use.

mod calls;

use std::thread;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Whether workers may be started where the kernel cannot confine them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// They may not: the pool does not start.
    Required,
    /// They may: the pool says so once, in the log.
    WherePossible,
}

/// Why a process cannot be confined.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// There is no list of system calls for this machine.
    #[error("there are no filters of system calls for the architecture `{}`", std::env::consts::ARCH)]
    Architecture,
    /// The list cannot be written as a filter.
    #[error("the filter of system calls cannot be made")]
    Filter(#[source] seccompiler::BackendError),
    /// The kernel has no seccomp, or whoever started this program forbids it.
    #[error("the kernel takes no filter of system calls")]
    Kernel(#[source] seccompiler::Error),
    /// Not even a thread could be started to try.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// Confines this process, all its threads, and whatever they become, for good. From here on it opens nothing, connects to nothing, starts
/// nothing, and asks no other process for anything; whoever tries is killed, by `SIGSYS`.
///
/// What a worker needs of the outside, it must have by now.
pub fn confine() -> Result<(), ConfineError> {
    // The last one forbids what the others are put in place with.
    for filter in [calls::unknown()?, calls::refused()?, calls::allowed()?] {
        seccompiler::apply_filter_all_threads(&filter).map_err(ConfineError::Kernel)?;
    }
    Ok(())
}

/// Whether this kernel takes filters, tried on a thread that ends at once.
pub(crate) fn probe() -> Result<(), ConfineError> {
    let nothing = program(std::iter::empty(), SeccompAction::Allow, SeccompAction::KillProcess)?;
    let trying = thread::Builder::new().name("seccomp-probe".to_owned());
    let trying = trying.spawn(move || seccompiler::apply_filter(&nothing)).map_err(ConfineError::Thread)?;
    let tried = trying.join().map_err(|_| ConfineError::Thread(std::io::Error::other("the thread broke off")))?;
    tried.map_err(ConfineError::Kernel)
}

/// A filter that does `matching` with what `rules` name, and `otherwise` with all else. A call of another architecture's numbers ends the
/// process in any case.
fn program(
    rules: impl Iterator<Item = calls::Call>,
    otherwise: SeccompAction,
    matching: SeccompAction,
) -> Result<BpfProgram, ConfineError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| ConfineError::Architecture)?;
    let filter = SeccompFilter::new(rules.collect(), otherwise, matching, architecture).map_err(ConfineError::Filter)?;
    filter.try_into().map_err(ConfineError::Filter)
}

#[cfg(test)]
mod tests;
