//! Whoever reads the log stops reading, closes it, or keeps it on a disk that is full.

use std::{
    fs,
    io::Read as _,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::json;

use super::database::serve_adder;
use crate::program::Home;

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
        // A line of the log each, and more: many times what a pipe holds.
        for _ in 0..300 {
            owner.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
        }

        assert!(begun.elapsed() < Duration::from_secs(20), "{place}: {:?}", begun.elapsed());
        if place == "read by nobody" {
            // Somebody reads again: whole lines come, and one that says how many were lost.
            let reader = reader.unwrap();
            let reading = reader.try_clone().unwrap();
            let told = tokio::task::spawn_blocking(move || read_until(reading, "lines of the log were lost"));
            tokio::time::timeout(Duration::from_secs(40), told).await.expect("it is told").unwrap();
        }
        assert!(program.stop(Signal::TERM).await.success(), "{place}");
    }
}

fn read_until(mut reader: std::io::PipeReader, words: &str) {
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    while !text.contains(words) {
        let read = reader.read(&mut piece).unwrap();
        assert!(read > 0, "the log ended: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
}
