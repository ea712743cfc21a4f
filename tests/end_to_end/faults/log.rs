//! Whoever reads the log stops reading, closes it, or keeps it on a disk that is full.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::database::serve_adder;
use crate::program::Home;

/// Each is two lines, of some 800 bytes together: many times what a pipe holds.
const CALLS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_and_an_output_that_take_nothing_hold_up_nothing() {
    for place in ["full", "closed", "read by nobody"] {
        let home = Home::new();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let full = || fs::File::options().write(true).open("/dev/full").unwrap();
        let program = home
            .serve_with(|command| {
                match place {
                    "full" => command.stdout(full()).stderr(full()),
                    _ => command.stdout(Stdio::from(writer.try_clone().unwrap())).stderr(writer.try_clone().unwrap()),
                };
            })
            .await;
        drop(writer);
        let owner = program.customer("enterprise").await;
        serve_adder(&owner).await;
        let reader = if place == "closed" { None } else { Some(&mut reader) };

        let begun = Instant::now();
        for _ in 0..CALLS {
            owner.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
        }

        assert!(begun.elapsed() < Duration::from_secs(20), "{place}: {:?}", begun.elapsed());
        if place == "read by nobody" {
            // Somebody reads again: whole lines come, and all of them.
            let reading = reader.unwrap().try_clone().unwrap();
            let told = tokio::task::spawn_blocking(move || read_calls(reading, CALLS));
            tokio::time::timeout(Duration::from_secs(40), told).await.expect("they are told").unwrap();
        }
        assert!(program.stop(Signal::TERM).await.success(), "{place}");
    }
}

/// Reads whole lines until so many calls were told.
fn read_calls(reader: std::io::PipeReader, calls: usize) {
    let lines = BufReader::new(reader).lines().map(Result::unwrap);
    let told = lines.filter(|line| line.starts_with('{')).filter(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("torn: {line}"));
        line["target"] == "toolwright::executed"
    });
    assert_eq!(told.take(calls).count(), calls);
}
