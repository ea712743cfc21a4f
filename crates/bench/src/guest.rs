//! A call in the sandbox, without HTTP: a fresh instance each, with fuel and epoch.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use child::Launcher;
use compiler::{BuildRequest, Confinement, ModuleBounds, Workers, WorkersConfig};
use domain::{Abilities, CustomerId, Digest, Language, VersionId};
use sandbox::{CacheKey, CallLimits, Invocable, Invocation, Questions, Recording, Sandbox, SandboxConfig, ToolForm};
use tokio_util::sync::CancellationToken;

use crate::{Effort, connection::BenchError, message::ADD, server::program, usage::own_cpu_time};

/// Calls in flight for each guest thread: enough that neither it nor the one thread that drives it goes to sleep between two.
const CALLS_PER_THREAD: usize = 16;

/// One thread and two take turns: on a shared machine the speed of a core changes from second to second.
const ROUNDS: usize = 7;

/// Prints CPU per call with one guest thread, and how much two carry. One thread drives them all, so that what is measured is the
/// sandbox and not the waking of idle threads.
pub(crate) async fn print(effort: Effort) -> Result<(), BenchError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::io("cannot start a runtime"))?;
    let measured = tokio::task::spawn_blocking(move || runtime.block_on(measure_all(effort)));
    measured.await.map_err(|error| failed("drive the sandbox", &error))?
}

async fn measure_all(effort: Effort) -> Result<(), BenchError> {
    let directory = tempfile::tempdir().map_err(BenchError::io("cannot make a directory"))?;
    let (artifact, native) = build(directory.path()).await?;
    println!("sandbox: a fresh instance per call, fuel and epoch on, JSON in and out ({ROUNDS} rounds)");
    let mut ratios = Vec::new();
    let (unrecorded, recorded) = (Questions::default(), recorded());
    let mut recording = Vec::new();
    for _ in 0..ROUNDS {
        let mut rates = Vec::new();
        let load = effort.load / u32::try_from(ROUNDS).unwrap_or(1);
        for threads in [1, 2] {
            let (rate, cpu_us) = measure(directory.path(), artifact, &native, threads, load, &unrecorded).await?;
            println!("  {threads} guest thread(s): {rate:>9.0} calls/s, {cpu_us:>6.1} us CPU a call");
            rates.push(rate);
        }
        if let [one, two] = rates.as_slice() {
            ratios.push(two / one);
        }
        let (_, unrecorded_us) = measure(directory.path(), artifact, &native, 1, load, &unrecorded).await?;
        let (_, recorded_us) = measure(directory.path(), artifact, &native, 1, load, &recorded).await?;
        recording.push(recorded_us - unrecorded_us);
    }
    recording.sort_by(f64::total_cmp);
    let cost_us = recording.get(ROUNDS / 2).copied().unwrap_or_default();
    println!("  recorded, so that it could ask its client: {cost_us:+.1} us CPU a call, in the median round");
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ROUNDS / 2).copied().unwrap_or_default();
    println!("  two threads carry {median:.2} times one, in the median round (wanted: 1.8 at least; 50 us CPU at most)");
    Ok(())
}

async fn build(cache: &Path) -> Result<(Digest, Vec<u8>), BenchError> {
    let config = WorkersConfig {
        workers: 1,
        queue_max: 1,
        wall_ms_max: 30_000,
        cpu_s_max: 30,
        data_bytes_max: 1 << 30,
        cache_dir: cache.to_owned(),
        cache_key: key(),
        confinement: Confinement::Required,
    };
    let workers =
        Workers::start(config, Launcher::new(program("toolwright")?)).map_err(|error| failed("start a worker", &error))?;
    let request = BuildRequest {
        customer: domain::CustomerId::new(),
        language: Language::TypeScript,
        source: ADD.to_owned(),
        artifact_bytes_max: 8 << 20,
        modules: ModuleBounds::none(),
    };
    let built = workers.build(request).await.map_err(|error| failed("build the tool", &error))?;
    workers.shut_down().await;
    Ok((Digest::of(&built.artifact), built.native))
}

async fn measure(
    cache: &Path,
    artifact: Digest,
    native: &[u8],
    threads: usize,
    load: Duration,
    questions: &Questions,
) -> Result<(f64, f64), BenchError> {
    let config = SandboxConfig {
        cache_dir: cache.to_owned(),
        cache_key: key(),
        slots_max: 64,
        memory_bytes_max: 4 << 30,
        customer_share_percent: 100,
        cached_tools_max: 16,
        cached_bytes_max: 64 << 20,
        disk_bytes_max: 256 << 20,
        guest_threads: threads,
        tick: Duration::from_millis(2),
    };
    let sandbox = Sandbox::start(config, &compiler::engine::shared()).map_err(|error| failed("start the sandbox", &error))?;
    let native = native.to_vec();
    let tool = sandbox
        .load(CustomerId::new(), artifact, &ToolForm::JavaScript, async { Ok::<_, std::io::Error>(native) })
        .await
        .map_err(|error| failed("load the tool", &error))?;
    drive(&sandbox, &tool, artifact, threads, load / 10, questions).await?;
    let cpu_before = own_cpu_time();
    let begun = Instant::now();
    let calls = drive(&sandbox, &tool, artifact, threads, load, questions).await?;
    let (elapsed, cpu) = (begun.elapsed(), own_cpu_time().saturating_sub(cpu_before));
    sandbox.shut_down().await;
    Ok((calls as f64 / elapsed.as_secs_f64(), cpu.as_secs_f64() * 1e6 / calls as f64))
}

async fn drive(
    sandbox: &Arc<Sandbox>,
    tool: &Arc<Invocable>,
    digest: Digest,
    threads: usize,
    duration: Duration,
    questions: &Questions,
) -> Result<usize, BenchError> {
    let until = Instant::now() + duration;
    let tasks: Vec<_> = (0..threads * CALLS_PER_THREAD)
        .map(|_| {
            let (sandbox, tool, questions) = (Arc::clone(sandbox), Arc::clone(tool), questions.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while Instant::now() < until {
                    let invoked = sandbox
                        .invoke(&tool, invocation(digest, questions.clone()))
                        .await
                        .map_err(|error| failed("call the tool", &error))?;
                    if !matches!(invoked.outcome, domain::Outcome::Success(_)) {
                        return Err(BenchError::Failed(format!("the tool failed: {:?}", invoked.outcome)));
                    }
                    calls += 1;
                }
                Ok(calls)
            })
        })
        .collect();
    let mut calls = 0;
    for task in tasks {
        calls += task.await.map_err(|error| failed("drive the sandbox", &error))??;
    }
    Ok(calls)
}

/// As for a client of 2026-07-28 that can be asked.
fn recorded() -> Questions {
    Questions::Recorded(Box::new(Recording {
        version: VersionId::new(),
        environment: Digest::of(b""),
        can: Abilities::all(),
        ahead: BTreeMap::new(),
        replay: None,
    }))
}

fn invocation(digest: Digest, questions: Questions) -> Invocation {
    Invocation {
        customer: CustomerId::new(),
        arguments: r#"{"a":2,"b":40}"#.to_owned(),
        environment: Arc::default(),
        limits: limits(),
        entry: sandbox::Entry::Call,
        outbound: None,
        reports: None,
        receipts: None,
        questions,
        cancelled: CancellationToken::new(),
        queue_us: 0,
        prepared_us: 0,
        digest,
    }
}

/// The free tier's limits.
fn limits() -> CallLimits {
    CallLimits {
        #[expect(clippy::unwrap_used, reason = "the name is written here and is right")]
        tier: "free".parse().unwrap(),
        fuel_per_call_max: 5_000_000_000,
        memory_bytes_max: 32 << 20,
        wall_ms_max: 10_000,
        output_bytes_max: 256 << 10,
        log_lines_max: 100,
        host_calls_max: 50,
        egress_bytes_max: 1_000_000,
        queue_wait_ms_max: 1_000,
    }
}

fn key() -> CacheKey {
    CacheKey::new([7; 32])
}

fn failed(act: &str, error: &dyn std::error::Error) -> BenchError {
    BenchError::Failed(format!("cannot {act}: {error}"))
}
