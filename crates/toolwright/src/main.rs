//! The binary: commands, configuration, the accept loop, start and shutdown. It assembles the rooms and holds no rules of theirs.

use std::process::ExitCode;

fn main() -> ExitCode {
    // These two run in processes that must stay small and clean: nothing else of this program is set up for them.
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("exec-child") => {
            let error = child::exec_child(arguments);
            report(&error)
        }
        Some("compile-worker") => compiler::run_worker(),
        _ => ExitCode::FAILURE,
    }
}

/// Writes what went wrong, with its causes, for the parent process to read.
fn report(error: &dyn std::error::Error) -> ExitCode {
    use std::io::Write as _;

    let mut text = format!("toolwright: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::FAILURE
}
