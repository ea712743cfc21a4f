//! Every target over its seeds and over changes of them, which are the same in every run: bounded in time and memory, and told by name when one
//! does not hold. `make fuzz` goes on where this ends, guided by coverage.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test's helper cannot do fails the test")]

#[path = "mutations/mutator.rs"]
mod mutator;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use fuzzing::{TARGETS, Target};
use mutator::Mutator;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Changes that are tried of each target; the largest seeds are tried less often, so that each target takes some seconds at most.
const CHANGES: u32 = 4_000;
/// After this, no more changes of a target are tried: a machine that is busy is no reason to fail.
const TARGET_WAIT: Duration = Duration::from_secs(8);
/// One input, in a build without optimisation on a busy machine. What grows with the square of its input takes minutes.
const INPUT_WAIT: Duration = Duration::from_secs(5);
/// Of the stack that a source is read on (`compiler`'s worker has as much).
const STACK_BYTES: usize = 256 * 1024 * 1024;
/// Of the whole process, with the stacks of all targets: an input that wants more ends the process.
const MEMORY_BYTES_MAX: u64 = 6 * 1024 * 1024 * 1024;
/// Bytes of an input.
const INPUT_BYTES_MAX: usize = 128 * 1024;

#[test]
fn nothing_that_a_stranger_sends_breaks_what_reads_it() {
    fuzzing::forgive_the_decoder();
    setrlimit(Resource::Data, Rlimit { current: Some(MEMORY_BYTES_MAX), maximum: Some(MEMORY_BYTES_MAX) }).unwrap();

    let lanes = [0, 1].map(|lane| {
        let targets = TARGETS.iter().enumerate().filter(move |(index, _)| index % 2 == lane).map(|(_, target)| target);
        let try_all = move || targets.map(try_target).collect::<Vec<_>>();
        thread::Builder::new().stack_size(STACK_BYTES).spawn(try_all).unwrap()
    });
    let results: Vec<_> = lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect();

    let broken: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_target_has_seeds_and_a_program_of_its_own() {
    for target in TARGETS {
        assert!(!seeds(target).is_empty(), "no seeds in {}", folder(target).display());
        let program = root().join(format!("fuzz/fuzz_targets/{}.rs", target.name));
        assert!(program.exists(), "{} is missing", program.display());
        let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "fuzz/Cargo.toml does not name {}", target.name);
    }
}

fn try_target(target: &Target) -> Result<(), String> {
    let seeds = seeds(target);
    let begun = Instant::now();
    for seed in &seeds {
        try_input(target, seed)?;
    }
    let mut mutator = Mutator::new(target.words, INPUT_BYTES_MAX);
    for _ in 0..CHANGES {
        if begun.elapsed() > TARGET_WAIT {
            break;
        }
        try_input(target, &mutator.change(&seeds))?;
    }
    Ok(())
}

/// What ends the whole process (memory, the stack) leaves the input where it is told.
fn try_input(target: &Target, input: &[u8]) -> Result<(), String> {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzzing-{}", target.name));
    fs::write(&kept, input).unwrap();
    let begun = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.check)(input)));
    let took = begun.elapsed();
    if outcome.is_ok() && took <= INPUT_WAIT {
        return Ok(());
    }
    let broken = kept.with_extension("broken");
    fs::copy(&kept, &broken).unwrap();
    let what = if outcome.is_err() { "does not hold".to_owned() } else { format!("took {} ms", took.as_millis()) };
    Err(format!(
        "`{}` {what} for {} (run `cargo run -p fuzzing --example once {} FILE`; when it is repaired, keep the file in {})",
        target.name,
        broken.display(),
        target.name,
        folder(target).display()
    ))
}

/// The seeds of a target, by name; of `component` and `source` also what others test with.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut files = files_in(&folder(target));
    let mut found: Vec<Vec<u8>> = Vec::new();
    if target.name == "source" {
        let examples = files_in(&root().join("examples")).into_iter().chain(files_in(&root().join("tests/clients/tools")));
        let sources = examples.filter(|file| file.extension().is_some_and(|extension| extension == "ts"));
        // An even byte before a source says that it is TypeScript.
        found.extend(sources.map(|file| [b"T".as_slice(), &fs::read(file).unwrap()].concat()));
    }
    if target.name == "component" {
        files.push(root().join("tests/components/built/rust-text.wasm"));
    }
    found.extend(files.into_iter().map(|file| fs::read(file).unwrap()));
    found
}

fn folder(target: &Target) -> PathBuf {
    root().join("fuzz/seeds").join(target.name)
}

/// All files below a folder, in the same order everywhere.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() { found.extend(files_in(&entry)) } else { found.push(entry) }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
