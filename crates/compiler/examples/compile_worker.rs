//! The two commands of the program that worker processes are made of, and nothing else: what the tests of the pool start. Cargo builds it
//! with the tests, so that it is never older than they are.

use std::{io::Write as _, process::ExitCode};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("exec-child") => {
            let error = child::exec_child(arguments);
            let _ = writeln!(std::io::stderr(), "cannot become a worker: {error}");
            ExitCode::FAILURE
        }
        Some("compile-worker") => compiler::run_worker(),
        _ => ExitCode::FAILURE,
    }
}
