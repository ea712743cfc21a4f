//! What is sent to a compiler to hurt it. Each is answered within a bound of time, and either taken or refused by a reason that says why; the
//! worker lives or is killed; another customer's next build is made.

#[path = "bombs/components.rs"]
mod components;
#[path = "bombs/sources.rs"]
mod sources;

use std::{fs, time::Duration};

use compiler::{BuildError, BuildRequest, UploadRequest, Waiter, WorkersConfig};
use domain::CustomerId;
use sandbox::ToolForm;

use super::{Pool, cache_dir, chance::Chance, config, customer, request, tool_that};

/// Many times what any of them takes, on a machine under load.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the allocator keeps, and the neighbours' tests.
const MEMORY_KEPT_BYTES: u64 = 96 << 20;

/// A thousand characters, of four bytes at most.
const REASON_BYTES_MAX: usize = 4_000;

/// What has to come of a bomb.
#[derive(Debug, Clone, Copy)]
enum End {
    /// A reason with these words in it.
    Reason(&'static str),
    /// It is none: what could be much is little.
    Harmless,
    /// What becomes of it has more bytes than an artifact may have.
    TooLarge,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_a_bomb_is_told_what_is_wrong_with_it_and_harms_nobody_else() {
    let pool = Pool::start(bounded()).await;
    let before = memory_bytes();
    let mut misses = Vec::new();

    for (name, component, end) in components::all() {
        let upload = UploadRequest { customer: customer(), component, artifact_bytes_max: 32 << 20, fuel_per_call_max: u64::MAX };
        let answer = tokio::time::timeout(PATIENCE, pool.workers.inspect(upload)).await.expect(name);
        misses.extend(check(name, &answer.map(drop), end));
        build_of_a_neighbour(&pool, name).await;
    }

    assert!(misses.is_empty(), "{}", misses.join("\n"));
    nothing_is_left(pool, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_a_bomb_is_told_what_is_wrong_with_it_and_harms_nobody_else() {
    let pool = Pool::start(bounded()).await;
    let before = memory_bytes();
    let mut misses = Vec::new();

    for (name, source, end) in sources::all() {
        let answer = tokio::time::timeout(PATIENCE, pool.build(&source)).await.expect(name);
        misses.extend(check(name, &answer.map(drop), end));
        build_of_a_neighbour(&pool, name).await;
    }

    assert!(misses.is_empty(), "{}", misses.join("\n"));
    nothing_is_left(pool, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_made_of_the_bytes_of_a_component_is_taken_or_refused_and_kills_no_worker() {
    const MUTANTS: u32 = 250;
    let pool = Pool::start(bounded()).await;
    let whole = wat::parse_str(components::usual("")).unwrap();
    let mut chance = Chance::new(0x5eed);

    let (mut taken, mut refused) = (0, 0);
    for mutant in 0..MUTANTS {
        let component = chance.mutate(&whole);
        let upload = UploadRequest { customer: customer(), component, artifact_bytes_max: 1 << 20, fuel_per_call_max: u64::MAX };
        match tokio::time::timeout(PATIENCE, pool.workers.inspect(upload)).await.unwrap() {
            Ok(_) => taken += 1,
            Err(BuildError::Rejected(reasons)) if !reasons.is_empty() => refused += 1,
            Err(error) => panic!("mutant {mutant}: {error:?}"),
        }
    }

    assert!(taken > 0 && refused > MUTANTS / 2, "{taken} taken, {refused} refused");
    let by_age = u64::from(MUTANTS / 64 + 1);
    assert_eq!(pool.workers.usage().started_total, by_age, "a worker is replaced after so many requests, and none died");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_code_that_somebody_forged_is_no_artifact_and_no_component() {
    let pool = Pool::start(bounded()).await;
    let built = pool.build(&tool_that("return {};")).await.unwrap();

    // What wasmtime would load, if anybody gave it the bytes.
    let upload = UploadRequest {
        customer: customer(),
        component: built.native.clone(),
        artifact_bytes_max: 1 << 20,
        fuel_per_call_max: u64::MAX,
    };
    let uploaded = pool.workers.inspect(upload).await;
    assert_eq!(check("as a component", &uploaded.map(drop), End::Reason("not a WebAssembly component")), None);
    let stored = pool.workers.precompile(Waiter::Call, customer(), &ToolForm::JavaScript, built.native.clone()).await;
    assert!(matches!(stored, Err(BuildError::Worker(_))), "{stored:?}");
    let component = ToolForm::Component { export: None };
    let stored = pool.workers.precompile(Waiter::Call, customer(), &component, built.native).await;
    assert!(matches!(stored, Err(BuildError::Worker(_))), "{stored:?}");

    pool.end().await;
}

/// What is quick to see in a test: of time and memory, less than the smallest node gives.
fn bounded() -> WorkersConfig {
    WorkersConfig { wall_ms_max: 15_000, cpu_s_max: 10, data_bytes_max: 768 << 20, ..config() }
}

/// What is wrong with an answer.
fn check<T: std::fmt::Debug>(name: &str, answer: &Result<T, BuildError>, end: End) -> Option<String> {
    let is_right = match (answer, end) {
        (Ok(_), End::Harmless) | (Err(BuildError::ArtifactSize { .. }), End::TooLarge) => true,
        (Err(BuildError::Rejected(reasons)), End::Reason(words)) => {
            reasons.iter().all(|reason| reason.message.len() <= REASON_BYTES_MAX)
                && reasons.iter().any(|reason| reason.message.contains(words))
        }
        _ => false,
    };
    (!is_right).then(|| format!("{name}: {answer:?}, and not {end:?}"))
}

async fn build_of_a_neighbour(pool: &Pool, after: &str) {
    let neighbour = BuildRequest { customer: CustomerId::new(), ..request(&tool_that("return {};")) };
    let built = tokio::time::timeout(PATIENCE, pool.workers.build(neighbour)).await;
    assert!(matches!(built, Ok(Ok(_))), "after {after}: {built:?}");
}

/// Neither processes nor files, and of memory what it was.
async fn nothing_is_left(pool: Pool, before: u64) {
    pool.until(|pool| pool.workers.usage().workers == 1).await;
    let after = memory_bytes();
    assert!(after < before + MEMORY_KEPT_BYTES, "{before} bytes before, {after} after");
    assert_eq!(fs::read_dir(cache_dir().join("handover")).unwrap().count(), 0);
    pool.end().await;
}

/// Memory of this process that is there, from proc(5), in pages of 4 KiB at least.
fn memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

impl Chance {
    /// The bytes with some of them changed, left out, said twice, or cut off.
    fn mutate(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len().max(1));
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.splice(at..(at + 4).min(bytes.len()), [])),
                2 => bytes.extend_from_within(at / 2..),
                _ => {
                    let byte = u8::try_from(self.below(256)).unwrap();
                    bytes.get_mut(at).into_iter().for_each(|place| *place = byte);
                }
            }
        }
        bytes
    }
}
