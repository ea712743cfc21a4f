//! Prints Toolwright's figures. Every figure of a server stands beside the floor, a plain axum JSON echo, measured by the same client in
//! the same run: the machine's own speed and noise are in both.
#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]
#![expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]

mod against;
mod authorization;
mod component;
mod deployment;
mod endpoint;
mod fetch;
mod fleet;
mod floor;
mod guest;
mod neighbour;
mod process;
mod thrash;
mod upload;
mod upstream;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use bench::{connection, crowd, customer, load, message, person, server, usage};
use clap::{Parser, Subcommand};
use connection::BenchError;

/// The same as the program's: what runs in this process is to cost what it costs there.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Prints Toolwright's figures, with the floor in the same run.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Part>,
    /// Seconds of load for each figure.
    #[arg(long, global = true, default_value_t = 5)]
    seconds: u64,
    /// Every part once, with the least load: shows that the benchmarks work, its figures mean nothing.
    #[arg(long, global = true)]
    smoke: bool,
}

#[derive(Subcommand, Clone, PartialEq)]
enum Part {
    /// Calls of the sandbox in this process.
    Guest,
    /// Source to released, cold calls, starts.
    Deployment,
    /// tools/call over HTTP against the floor.
    Endpoint,
    /// `fetch` against reqwest alone; slow upstreams.
    Fetch,
    /// A thousand servers against one.
    Fleet,
    /// Ten thousand tools, of which few are held in memory.
    Thrash,
    /// A large component uploaded beside calls.
    Upload,
    /// Tokens against API keys; sign-ins beside calls.
    Authorization,
    /// Endless loops of one customer beside calls of another.
    Neighbour,
    /// tools/call of this build against that of another: not a part of all.
    Against {
        /// The other build's `toolwright`.
        program: PathBuf,
    },
    /// Serves the floor; the other parts start it themselves.
    Floor,
    /// Serves what tools fetch; the other parts start it themselves.
    Upstream,
}

/// How much each part does.
#[derive(Clone, Copy)]
struct Effort {
    load: Duration,
    repetitions: usize,
    /// Servers of the part that has many.
    servers: usize,
    /// Tools of the part that has many.
    tools: usize,
    /// Of these, on one server.
    tools_of_first: usize,
    /// Size of the component that is uploaded.
    upload_bytes: usize,
    /// Endless loops of one customer.
    loops: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("the benchmark failed: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                println!("  because: {inner}");
                cause = inner.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let effort = if arguments.smoke {
        Effort {
            load: Duration::from_millis(200),
            repetitions: 2,
            servers: 3,
            tools: 130,
            tools_of_first: 110,
            upload_bytes: 100_000,
            loops: 8,
        }
    } else {
        Effort {
            load: Duration::from_secs(arguments.seconds),
            repetitions: 40,
            servers: 1_000,
            tools: 10_000,
            tools_of_first: 1_000,
            upload_bytes: 12_000_000,
            loops: 1_000,
        }
    };
    let wanted = |part| arguments.command.as_ref().is_none_or(|command| *command == part);
    match &arguments.command {
        Some(Part::Floor) => return floor::serve().await,
        Some(Part::Upstream) => return upstream::serve().await,
        Some(Part::Against { program }) => return against::print(effort, program).await,
        _ => (),
    }
    if wanted(Part::Guest) {
        guest::print(effort).await?;
    }
    if wanted(Part::Deployment) {
        deployment::print(effort).await?;
    }
    if wanted(Part::Endpoint) {
        endpoint::print(effort).await?;
    }
    if wanted(Part::Fetch) {
        fetch::print(effort).await?;
    }
    if wanted(Part::Fleet) {
        fleet::print(effort).await?;
    }
    if wanted(Part::Thrash) {
        thrash::print(effort).await?;
    }
    if wanted(Part::Upload) {
        upload::print(effort).await?;
    }
    if wanted(Part::Authorization) {
        authorization::print(effort).await?;
    }
    if wanted(Part::Neighbour) {
        neighbour::print(effort).await?;
    }
    Ok(())
}
