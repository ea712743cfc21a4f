//! The binary: commands, configuration, the accept loop, start and shutdown. It assembles the rooms and holds no rules of theirs.

mod banner;
mod commands;
mod configuration;
mod data_dir;
mod database;
mod examples;
#[cfg(test)]
mod layers;
mod listener;
mod memory;
mod node;
mod private_file;
#[cfg(test)]
mod proofs;
mod signals;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // These two run in processes that must stay small and clean: nothing else of this program is set up for them.
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("exec-child") => commands::report(&child::exec_child(arguments)),
        Some("compile-worker") => compiler::run_worker(),
        _ => commands::run(),
    }
}
