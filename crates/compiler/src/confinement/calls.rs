//! The system calls of a worker. strace(1) showed which ones builds, uploads and the making of native code need; a few more are what the same
//! functions are made of elsewhere: another architecture, another C library, a kernel without a vDSO.

use libc::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, CLONE_PTRACE,
    CLONE_THREAD, CLONE_VM, EACCES, ENOSYS, F_ADD_SEALS, F_GETFD, O_APPEND, O_CREAT, O_RDWR, O_TRUNC, O_WRONLY, PR_SET_NAME,
    PROT_EXEC, PROT_WRITE,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen as Bits, SeccompCmpOp as Is, SeccompCondition, SeccompRule};

use super::{ConfineError, program};

/// A system call, and what it may be given: any of the rules; anything where there is none.
pub(super) type Call = (i64, Vec<SeccompRule>);

/// What is done as it is asked. All that it takes is time, memory, and descriptors that the process has, each bounded by a limit.
const FREE: [i64; 35] = [
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_memfd_create,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Descriptors that are there: the pipes to the parent, and images of memories that wasmtime makes.
    libc::SYS_close,
    libc::SYS_ftruncate,
    libc::SYS_lseek,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    // Threads, and waiting.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_membarrier,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    // Signals to itself: wasmtime tells a trap from a fault by them.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Time and chance.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    // How much memory there is: a C library sorts differently with much.
    libc::SYS_sysinfo,
];

/// What libraries try and do without: whether a descriptor is a terminal, what the trace of a panic can be read from.
const REFUSED: [i64; 6] =
    [libc::SYS_faccessat, libc::SYS_getcwd, libc::SYS_ioctl, libc::SYS_newfstatat, libc::SYS_readlinkat, libc::SYS_statx];
/// Their older names, which newer architectures never had.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: [i64; 4] = [libc::SYS_access, libc::SYS_lstat, libc::SYS_readlink, libc::SYS_stat];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: [i64; 0] = [];

/// Ways to open a file, and which argument says what for. Reading is only tried: whether the kernel overcommits, how many cores a control group
/// has.
#[cfg(target_arch = "x86_64")]
const OPENS: [(i64, u8); 2] = [(libc::SYS_open, 1), (libc::SYS_openat, 2)];
#[cfg(not(target_arch = "x86_64"))]
const OPENS: [(i64, u8); 1] = [(libc::SYS_openat, 2)];

/// A kernel may be too old for this one: then the C library uses `clone`, whose flags a filter can see.
const UNKNOWN: [i64; 1] = [libc::SYS_clone3];

/// Flags of open(2) that only somebody has who means to write.
const WRITING: i32 = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
/// Flags of clone(2): what makes a thread of this process, and what a thread of it does not have.
const THREAD: i32 = CLONE_THREAD | CLONE_VM;
const APART: i32 =
    CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS | CLONE_PTRACE;

/// Answers `ENOSYS` to what the kernel may be too old for.
pub(super) fn unknown() -> Result<BpfProgram, ConfineError> {
    program(UNKNOWN.into_iter().map(however), SeccompAction::Allow, SeccompAction::Errno(ENOSYS.unsigned_abs()))
}

/// Answers `EACCES` to what is only tried.
pub(super) fn refused() -> Result<BpfProgram, ConfineError> {
    let opens = OPENS.into_iter().map(|(open, _)| open);
    let calls = REFUSED.into_iter().chain(REFUSED_HERE).chain(opens).map(however);
    program(calls, SeccompAction::Allow, SeccompAction::Errno(EACCES.unsigned_abs()))
}

/// Ends the process at whatever is not named here.
pub(super) fn allowed() -> Result<BpfProgram, ConfineError> {
    // What the other filters answer, this one must let them answer.
    let answered = REFUSED.into_iter().chain(REFUSED_HERE).chain(UNKNOWN);
    let mut calls: Vec<Call> = FREE.into_iter().chain(answered).map(however).collect();
    for (open, flags) in OPENS {
        calls.push((open, vec![rule([condition(flags, Bits::Dword, Is::MaskedEq(bits(WRITING)), 0)?])?]));
    }
    calls.extend(bounded()?);
    program(calls.into_iter(), SeccompAction::KillProcess, SeccompAction::Allow)
}

/// What is done if it is asked for in the right way.
fn bounded() -> Result<Vec<Call>, ConfineError> {
    let own_process = u64::from(std::process::id());
    let is = |argument, value| condition(argument, Bits::Dword, Is::Eq, value);
    let none_of = |argument, mask| condition(argument, Bits::Dword, Is::MaskedEq(mask), 0);
    let (write, execute) = (bits(PROT_WRITE), bits(PROT_EXEC));
    Ok(vec![
        // New threads, and no new process.
        (libc::SYS_clone, vec![rule([condition(0, Bits::Dword, Is::MaskedEq(bits(THREAD | APART)), bits(THREAD))?])?]),
        (libc::SYS_fcntl, vec![rule([is(1, bits(F_ADD_SEALS))?])?, rule([is(1, bits(F_GETFD))?])?]),
        // Code is made where it can be written, and runs where it cannot.
        (libc::SYS_mmap, vec![rule([none_of(2, execute)?])?]),
        (libc::SYS_mprotect, vec![rule([none_of(2, execute)?])?, rule([none_of(2, write)?])?]),
        (libc::SYS_prctl, vec![rule([is(0, bits(PR_SET_NAME))?])?]),
        // Asking for a limit of its own, never setting one.
        (libc::SYS_prlimit64, vec![rule([is(0, 0)?, condition(2, Bits::Qword, Is::Eq, 0)?])?]),
        // How a process aborts.
        (libc::SYS_tgkill, vec![rule([is(0, own_process)?])?]),
    ])
}

fn however(call: i64) -> Call {
    (call, Vec::new())
}

fn rule<const COUNT: usize>(conditions: [SeccompCondition; COUNT]) -> Result<SeccompRule, ConfineError> {
    SeccompRule::new(conditions.into()).map_err(ConfineError::Filter)
}

fn condition(argument: u8, length: Bits, comparison: Is, value: u64) -> Result<SeccompCondition, ConfineError> {
    SeccompCondition::new(argument, length, comparison, value).map_err(ConfineError::Filter)
}

/// Flags and commands are 32 bits wide, and their sign means nothing.
const fn bits(flags: i32) -> u64 {
    flags.cast_unsigned() as u64
}
