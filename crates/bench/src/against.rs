//! tools/call of this build against that of another one, in short rounds by turns: what the machine does meanwhile is in both.

use std::{path::Path, time::Duration};

use crate::{
    Effort,
    connection::BenchError,
    endpoint::deploy,
    load::{self, percentile},
    message::call_request,
    server::{Server, directory, program},
};

/// Connections of each round.
const CONNECTIONS: usize = 64;
/// How long a round takes.
const ROUND: Duration = Duration::from_millis(500);

/// A deployed tool, on a data directory that lives as long.
struct Build {
    name: &'static str,
    server: Server,
    key: String,
    /// The server's CPU for each request, in microseconds, by round.
    rounds: Vec<f64>,
    _data: tempfile::TempDir,
}

/// Prints what a call costs the server of this build and that of the program at `other`, in the middle of all rounds, and the ratio of the rounds
/// that followed each other.
pub(crate) async fn print(effort: Effort, other: &Path) -> Result<(), BenchError> {
    let mut builds = [Build::start("this", &program("toolwright")?).await?, Build::start("other", other).await?];
    println!("against: tools/call of two builds, {CONNECTIONS} connections, by turns");
    // The first round warms.
    for _ in 0..=rounds(effort) {
        for build in &mut builds {
            build.round().await?;
        }
        // Who comes first in a pair changes.
        builds.reverse();
    }
    for build in &mut builds {
        build.rounds.remove(0);
    }
    builds.sort_by_key(|build| build.name);
    let [other, this] = &builds;
    let ratios = sorted(this.rounds.iter().zip(&other.rounds).map(|(this, other)| this / other));
    for build in &builds {
        let each = sorted(build.rounds.iter().copied());
        println!("  {:<5}: {:.1} us CPU each in the middle of {} rounds", build.name, percentile(&each, 0.5), each.len());
    }
    println!(
        "  this against the other: {:.2} times ({:.2} to {:.2} in the middle half)",
        percentile(&ratios, 0.5),
        percentile(&ratios, 0.25),
        percentile(&ratios, 0.75)
    );
    println!("  wanted: 1.1 times at most");
    Ok(())
}

impl Build {
    async fn start(name: &'static str, program: &Path) -> Result<Self, BenchError> {
        let data = directory()?;
        let server = Server::start_program(program, data.path(), |_| ()).await?;
        let key = server.create_customer().await?;
        deploy(&server, &key).await?;
        Ok(Self { name, server, key, rounds: Vec::new(), _data: data })
    }

    async fn round(&mut self) -> Result<(), BenchError> {
        let key = self.key.clone();
        let request = move || call_request("bench", "add", &key);
        let load = load::run(self.server.id(), self.server.address, CONNECTIONS, ROUND, request).await?;
        self.rounds.push(load.cpu_us_per_request());
        Ok(())
    }
}

/// As many pairs of rounds as fit.
fn rounds(effort: Effort) -> usize {
    usize::try_from(effort.load.as_millis() / ROUND.as_millis()).unwrap_or(usize::MAX).max(2)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
