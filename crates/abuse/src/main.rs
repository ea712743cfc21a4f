//! The abuse suite: what hostile code and hostile clients try, against the real program in a process of its own, over real HTTP. Each case says
//! what must come of it. The table at the end says what did, how long it took, whether the memory came back, and what another customer's
//! calls noticed meanwhile.
#![expect(clippy::print_stdout, reason = "printing the table is what this program is for")]
#![expect(clippy::indexing_slicing, reason = "only JSON is read by index, which is null where there is nothing")]

mod api;
mod auth;
mod case;
mod compile;
mod cpu;
mod egress;
mod elsewhere;
mod guest;
mod http;
mod http2;
mod leaks;
mod memory;
mod memory_level;
mod neighbour;
mod output;
mod scale;
mod seen;
mod stack;
mod supply;
mod table;
mod tenant;
mod upstream;
mod workers;
mod world;

use std::{process::ExitCode, sync::Arc, time::Instant};

use bench::connection::BenchError;
use case::Case;
use clap::Parser;
use world::World;

/// Tries what hostile code and hostile clients try, and fails if anything comes of it that must not.
#[derive(Parser)]
struct Arguments {
    /// A few cases only: shows that the suite works.
    #[arg(long)]
    smoke: bool,
    /// Only cases whose paragraph or name contains this.
    #[arg(long)]
    only: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("the suite could not run: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                println!("  because: {inner}");
                cause = inner.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// Every case, by the paragraphs of what is tried.
fn cases() -> Vec<Case> {
    let paragraphs = [
        cpu::cases(),
        memory::cases(),
        stack::cases(),
        output::cases(),
        scale::cases(),
        compile::cases(),
        http::cases(),
        egress::cases(),
        leaks::cases(),
        auth::cases(),
        supply::cases(),
        seen::cases(),
    ];
    paragraphs.into_iter().flatten().collect()
}

/// Whether all of them came out as they must.
async fn run(arguments: &Arguments) -> Result<bool, BenchError> {
    let begun = Instant::now();
    let world = Arc::new(World::start().await?);
    let wanted = |case: &Case| match &arguments.only {
        Some(text) => case.name.contains(text.as_str()) || case.paragraph.contains(text.as_str()),
        None => case.quick || !arguments.smoke,
    };
    let watched = if arguments.smoke { case::WATCHED_BRIEFLY } else { case::WATCHED };
    let mut missed = Vec::new();
    table::print_head();
    let chosen: Vec<_> = cases().into_iter().filter(wanted).collect();
    for case in &chosen {
        let row = case.run(&world, watched).await?;
        table::print(case, &row);
        if let Some(miss) = row.miss {
            missed.push(format!("{}: {}: {miss} (must be: {})", case.paragraph, case.name, case.expected));
        }
    }
    table::print_end(&chosen, &missed, begun.elapsed());
    Ok(missed.is_empty() && !chosen.is_empty())
}
