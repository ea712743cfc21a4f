//! The filters, run as the kernel runs them: a small machine for the programs that seccomp(2) takes.

use seccompiler::BpfProgram;

use super::calls;

/// From `linux/audit.h`.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

const KILLED: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const DONE: u32 = libc::SECCOMP_RET_ALLOW;

/// What the kernel does at a system call: of the filters' answers the gravest, which is the least as a signed number (seccomp(2)).
fn answer(call: i64, arguments: [u64; 6]) -> u32 {
    answer_on(ARCHITECTURE, call, arguments)
}

fn answer_on(architecture: u32, call: i64, arguments: [u64; 6]) -> u32 {
    let number = u32::try_from(call).unwrap();
    let mut data = [number.to_le_bytes(), architecture.to_le_bytes(), [0; 4], [0; 4]].concat();
    data.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
    let filters = [calls::unknown(), calls::refused(), calls::allowed()];
    filters.into_iter().map(|filter| run(&filter.unwrap(), &data)).min_by_key(|answer| answer.cast_signed()).unwrap()
}

/// The instructions that the filters are made of (`linux/bpf_common.h`).
fn run(program: &BpfProgram, data: &[u8]) -> u32 {
    const LOAD: u16 = 0x20;
    const AND: u16 = 0x54;
    const JUMP: u16 = 0x05;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let mut accumulator = 0;
    let mut at = 0;
    loop {
        let step = &program[at];
        at += 1;
        match step.code {
            LOAD => {
                let from = step.k as usize;
                accumulator = u32::from_le_bytes(data[from..from + 4].try_into().unwrap());
            }
            AND => accumulator &= step.k,
            JUMP => at += step.k as usize,
            EQUAL => at += usize::from(if accumulator == step.k { step.jt } else { step.jf }),
            RETURN => return step.k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

fn errno(number: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | number.unsigned_abs()
}

fn arguments<const COUNT: usize>(first: [i32; COUNT]) -> [u64; 6] {
    let mut all = [0; 6];
    all.iter_mut().zip(first).for_each(|(place, argument)| *place = u64::from(argument.cast_unsigned()));
    all
}

#[test]
fn what_can_reach_the_world_or_another_process_ends_the_process() {
    for call in [
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_sendmsg,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_kill,
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_getfd,
        libc::SYS_bpf,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_userfaultfd,
        libc::SYS_perf_event_open,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_chroot,
        libc::SYS_openat2,
        libc::SYS_open_by_handle_at,
        libc::SYS_unlinkat,
        libc::SYS_mkdirat,
        libc::SYS_linkat,
        libc::SYS_symlinkat,
        libc::SYS_renameat2,
        libc::SYS_fchmod,
        libc::SYS_pipe2,
        libc::SYS_dup,
        libc::SYS_shmget,
        libc::SYS_setuid,
        libc::SYS_seccomp,
        libc::SYS_init_module,
        libc::SYS_sched_setaffinity,
        libc::SYS_setpriority,
        libc::SYS_execve + 0x4000_0000,
    ] {
        assert_eq!(answer(call, [0; 6]), KILLED, "system call {call}");
    }
}

#[test]
fn of_all_system_calls_few_are_done() {
    let done = (0..2_000).filter(|&call| answer(call, [0; 6]) == DONE).count();

    // Those that are free, and of those with conditions `mmap`, `mprotect` and `prlimit64`, which may be given zeros.
    assert_eq!(done, 35 + 3);
}

#[test]
fn numbers_of_another_architecture_end_the_process() {
    const I386: u32 = 0x4000_0003;

    assert_eq!(answer_on(I386, libc::SYS_read, [0; 6]), KILLED);
    #[cfg(target_arch = "x86_64")]
    assert_eq!(answer(libc::SYS_read + 0x4000_0000, [0; 6]), KILLED, "the numbers of x32");
}

#[test]
fn a_file_is_not_opened_and_who_means_to_write_it_is_killed() {
    let open = |flags| answer(libc::SYS_openat, arguments([libc::AT_FDCWD, 1, flags]));

    assert_eq!(open(libc::O_RDONLY | libc::O_CLOEXEC), errno(libc::EACCES));
    for flags in [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC, libc::O_APPEND, libc::O_RDWR | libc::O_TMPFILE] {
        assert_eq!(open(flags), KILLED, "{flags:#o}");
    }
}

#[test]
fn threads_are_made_and_processes_are_not() {
    // What the C library asks for when it makes a thread (clone(2)).
    let thread = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM
        | libc::CLONE_SETTLS
        | libc::CLONE_PARENT_SETTID
        | libc::CLONE_CHILD_CLEARTID;
    let clone = |flags| answer(libc::SYS_clone, arguments([flags]));

    assert_eq!(answer(libc::SYS_clone3, [0; 6]), errno(libc::ENOSYS));
    assert_eq!(clone(thread), DONE);
    for process in [libc::SIGCHLD, libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD, thread | libc::CLONE_NEWNET] {
        assert_eq!(clone(process), KILLED, "{process:#x}");
    }
}

#[test]
fn memory_is_never_written_and_run_at_once() {
    use libc::{PROT_EXEC, PROT_READ, PROT_WRITE};
    let map = |protection| answer(libc::SYS_mmap, arguments([0, 4096, protection]));
    let protect = |protection| answer(libc::SYS_mprotect, arguments([0, 4096, protection]));

    assert_eq!((map(PROT_READ | PROT_WRITE), map(PROT_READ | PROT_EXEC)), (DONE, KILLED));
    assert_eq!((protect(PROT_READ | PROT_WRITE), protect(PROT_READ | PROT_EXEC)), (DONE, DONE));
    assert_eq!(protect(PROT_READ | PROT_WRITE | PROT_EXEC), KILLED);
}

#[test]
fn a_process_signals_itself_alone_and_keeps_its_limits() {
    let own = std::process::id().cast_signed();
    let new_limit = [0, 0, 0xffff_0000_0000, 0, 0, 0];

    assert_eq!(answer(libc::SYS_tgkill, arguments([own, own, libc::SIGABRT])), DONE);
    assert_eq!(answer(libc::SYS_tgkill, arguments([own + 1, own + 1, libc::SIGABRT])), KILLED);
    assert_eq!(answer(libc::SYS_prlimit64, new_limit), KILLED);
    assert_eq!(answer(libc::SYS_prctl, arguments([libc::PR_SET_DUMPABLE])), KILLED);
}
