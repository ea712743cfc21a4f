//! One input of one target, from a file: `cargo run -p fuzzing --example once TARGET FILE`.

use std::{env, fs, process::ExitCode, thread};

/// As in the tests: a source is read on a large stack.
const STACK_BYTES: usize = 256 * 1024 * 1024;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(target), Some(file)) = (arguments.next(), arguments.next()) else { return ExitCode::from(2) };
    let Ok(input) = fs::read(file) else { return ExitCode::from(2) };
    let check = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || fuzzing::check(&target, &input));
    match check.map(thread::JoinHandle::join) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
