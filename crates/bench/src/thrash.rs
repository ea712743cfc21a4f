//! Ten thousand deployed tools, of which the node holds a fiftieth in memory: calls of all of them by several customers, what the customer of
//! one tool notices, and what the process has of the machine meanwhile.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    Effort,
    connection::{BenchError, Connection},
    crowd::{Crowd, CrowdSize},
    customer::Customer,
    endpoint::{echo_request, row},
    load::{self, Load, percentile},
    message::{ADD, call_request, check},
    process::Process,
    server::{Server, directory},
    usage::{Holdings, folder_bytes},
};

/// Calls of the crowd at one time.
const CALLERS: usize = 16;
/// Calls of the neighbour at one time.
const NEIGHBOUR_CALLERS: usize = 4;
/// Whose the tools are.
const CUSTOMERS: usize = 4;
/// Of so many tools one is held in memory.
const TOOLS_PER_CACHED: usize = 50;
/// Of so many tools the disk has room for the code of one, where it has little.
const TOOLS_PER_KEPT: usize = 4;
/// Every tool is called once in each; in every other one, in no order.
const ROUNDS: usize = 4;
/// Calls of one cold tool at one time.
const STAMPEDE: usize = 200;
/// What memory may be more after the last round than after the second: what grows with calls grows by more.
const GROWTH_KIB_MAX: u64 = 32 * 1024;
/// Mappings of a tool's native code, and room for those of calls that come and go.
const MAPPINGS_PER_TOOL: usize = 16;
/// What threads and the allocator map besides, however many tools there are.
const MAPPINGS_OTHER: usize = 256;
/// Threads that come for work that blocks, and go when there is none.
const THREADS_MORE_MAX: usize = 64;
/// Descriptors besides one for each tool in memory: connections, and files that are open for a moment.
const DESCRIPTORS_MAX: usize = 128;

/// What is measured.
struct Scene {
    data: PathBuf,
    crowd: Arc<Crowd>,
    /// Native code on disk without the crowd's: the JavaScript engine's.
    engine_bytes: u64,
    /// The key of whoever has one tool and calls it.
    neighbour: String,
    /// Tools that are held in memory.
    cached: usize,
    effort: Effort,
}

/// Prints all of it; fails where a bound is not held that has nothing to do with the machine's speed.
pub(crate) async fn print(effort: Effort) -> Result<(), BenchError> {
    let data = directory()?;
    let scene = deploy(data.path(), effort).await?;
    let server = scene.start(None).await?;
    println!("  start with all of them: {:.2} s (wanted: 3 s at most)", server.start.as_secs_f64());
    scene.print_lists(&server).await?;
    scene.print_calls(&server).await?;
    scene.print_stampede(&server).await?;
    drop(server);
    scene.print_little_disk().await
}

async fn deploy(data: &Path, effort: Effort) -> Result<Scene, BenchError> {
    let server = Server::start(data).await?;
    let neighbour = server.create_customer().await?;
    let mut customer = Customer::new(Connection::open(server.address).await?, &neighbour);
    customer.create_server("bench").await?;
    customer.put("bench", "add", ADD, json!({})).await?;
    customer.release("bench").await?;
    let size =
        CrowdSize { tools: effort.tools, tools_of_first: effort.tools_of_first, tools_per_server: 200, customers: CUSTOMERS };
    let engine_bytes = folder_bytes(&cache_of(data))?;
    let begun = Instant::now();
    let crowd = Crowd::deploy(&server, "crowd", size).await?;
    let took = begun.elapsed().as_secs_f64();
    let scene = Scene {
        data: data.to_owned(),
        cached: (crowd.len() / TOOLS_PER_CACHED).max(2),
        crowd: Arc::new(crowd),
        engine_bytes,
        neighbour,
        effort,
    };
    let tools = scene.crowd.len();
    println!(
        "thrash: {tools} tools on {} servers of {CUSTOMERS} customers; {} of them are held in memory",
        scene.crowd.servers(),
        scene.cached
    );
    println!(
        "  deployed in {took:.0} s, {:.1} ms each (wanted: 180 s at most); {:.0} KiB of native code each",
        took * 1e3 / tools.max(1) as f64,
        (folder_bytes(&cache_of(data))? - engine_bytes) as f64 / 1024.0 / tools.max(1) as f64
    );
    Ok(scene)
}

impl Scene {
    /// A fresh process: nothing of the deploying is left in its memory.
    async fn start(&self, disk_bytes_max: Option<u64>) -> Result<Server, BenchError> {
        Server::start_with(&self.data, |command| {
            command.env("TOOLWRIGHT_CACHED_TOOLS_MAX", self.cached.to_string());
            if let Some(bytes) = disk_bytes_max {
                command.env("TOOLWRIGHT_CACHE_DISK_BYTES_MAX", bytes.to_string());
            }
        })
        .await
    }

    /// A server of many tools, a page at a time.
    async fn print_lists(&self, server: &Server) -> Result<(), BenchError> {
        let mut client = Connection::open(server.address).await?;
        let first = self.list_all(&mut client).await?;
        let again = self.list_all(&mut client).await?;
        println!(
            "  tools/list of {} tools: {} pages, the slowest {:.1} ms when nothing was in memory, {:.1} ms later",
            self.crowd.tools_of(0),
            first.len(),
            milliseconds(&first, 1.0),
            milliseconds(&again, 1.0),
        );
        Ok(())
    }

    /// How long each page took; every tool is on one of them.
    async fn list_all(&self, client: &mut Connection) -> Result<Vec<Duration>, BenchError> {
        let (mut names, mut times, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let begun = Instant::now();
            let page = client.send(self.crowd.list(0, cursor.as_deref())).await?;
            times.push(begun.elapsed());
            let page: Value = serde_json::from_slice(&page).unwrap_or_default();
            let tools = page.pointer("/result/tools").and_then(Value::as_array).cloned().unwrap_or_default();
            names.extend(tools.iter().filter_map(|tool| Some(tool.get("name")?.as_str()?.to_owned())));
            cursor = page.pointer("/result/nextCursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        let listed = names.len();
        names.sort_unstable();
        names.dedup();
        if (listed, names.len()) != (self.crowd.tools_of(0), self.crowd.tools_of(0)) {
            return Err(BenchError::Failed(format!("{listed} tools were listed, {} of them different", names.len())));
        }
        times.sort_unstable();
        Ok(times)
    }

    async fn print_calls(&self, server: &Server) -> Result<(), BenchError> {
        let floor = Process::start("floor")?;
        row("floor", CALLERS, &load::run(floor.id(), floor.address, CALLERS, self.effort.load, echo_request).await?);
        // What every call needs is in memory then: servers, keys, tiers.
        self.round(server, 0, self.crowd.len()).await?;
        let warm_tools = (self.cached / 2).max(1);
        self.round(server, 0, warm_tools).await?;
        let before = Holdings::of(server.id())?;
        let quiet = self.neighbour_alone(server).await?;
        let (warm, beside_warm) = self.beside(server, self.round(server, 0, warm_tools)).await?;
        row("warm tools", CALLERS, &warm);

        let (mut cold, mut beside, mut levels) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let missed = server.level("artifact_misses_total").await?;
            let (calls, neighbour) = self.beside(server, self.round(server, round, self.crowd.len())).await?;
            let missed = server.level("artifact_misses_total").await? - missed;
            let holdings = Holdings::of(server.id())?;
            row(if round.is_multiple_of(2) { "all tools in turn" } else { "all at random" }, CALLERS, &calls);
            println!("      {missed} loads; {holdings}");
            self.check(server, missed, &before, &holdings).await?;
            levels.push(holdings.resident_kib);
            cold.push(calls);
            beside.push(neighbour);
        }
        let (cold, beside) = (Load::together(cold), Load::together(beside));
        let after = self.neighbour_alone(server).await?;
        for (when, calls) in [("quiet", &quiet), ("beside warm", &beside_warm), ("beside all", &beside), ("after", &after)] {
            row(&format!("neighbour, {when}"), NEIGHBOUR_CALLERS, calls);
        }
        print_ratios(&warm, &cold, &quiet, &beside_warm, &beside);
        let peak_kib = Holdings::of(server.id())?.resident_peak_kib;
        println!("  resident memory at its most: {} MiB (wanted: 400 MiB at most)", peak_kib / 1024);
        check_growth(&levels)
    }

    /// As many calls as there are tools, of the first `tools` of them.
    async fn round(&self, server: &Server, round: usize, tools: usize) -> Result<Load, BenchError> {
        let crowd = Arc::clone(&self.crowd);
        let request = move |number: usize| {
            let number = if round.is_multiple_of(2) { number } else { scattered(number + round * crowd.len()) };
            crowd.call(number % tools)
        };
        load::run_all(server.id(), server.address, CALLERS, self.crowd.len(), request).await
    }

    async fn neighbour_alone(&self, server: &Server) -> Result<Load, BenchError> {
        let request = call_request("bench", "add", &self.neighbour);
        load::run(server.id(), server.address, NEIGHBOUR_CALLERS, self.effort.load, move || request.clone()).await
    }

    /// What comes of `work`, and what the neighbour notices of it meanwhile.
    async fn beside(
        &self,
        server: &Server,
        work: impl Future<Output = Result<Load, BenchError>>,
    ) -> Result<(Load, Load), BenchError> {
        let is_over = AtomicBool::new(false);
        let work = async {
            let done = work.await;
            is_over.store(true, Ordering::Relaxed);
            done
        };
        let neighbour = async {
            let request = call_request("bench", "add", &self.neighbour);
            let span = self.effort.load.min(Duration::from_millis(500));
            let mut parts = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let request = request.clone();
                let part = load::run(server.id(), server.address, NEIGHBOUR_CALLERS, span, move || request.clone()).await?;
                parts.push(part);
            }
            Ok::<_, BenchError>(Load::together(parts))
        };
        let (done, neighbour) = tokio::join!(work, neighbour);
        Ok((done?, neighbour?))
    }

    /// Whether it was what it is meant to be, and whether what is bounded by number is.
    async fn check(&self, server: &Server, missed: u64, before: &Holdings, now: &Holdings) -> Result<(), BenchError> {
        let tools = self.crowd.len() as u64;
        must(missed >= tools / 2, || format!("of {tools} calls {missed} found their tool not in memory"))?;
        let in_memory = server.level("artifact_cache_entries").await?;
        must(in_memory <= (self.cached + CALLERS) as u64, || format!("{in_memory} tools are in memory"))?;
        let descriptors_max = self.cached + DESCRIPTORS_MAX;
        must(now.descriptors <= descriptors_max, || format!("{} descriptors are open", now.descriptors))?;
        let mappings_max = before.mappings + self.cached * MAPPINGS_PER_TOOL + MAPPINGS_OTHER;
        must(now.mappings <= mappings_max, || format!("{} mappings, and {} before", now.mappings, before.mappings))?;
        must(now.threads <= before.threads + THREADS_MORE_MAX, || {
            format!("{} threads, and {} before", now.threads, before.threads)
        })
    }

    async fn print_stampede(&self, server: &Server) -> Result<(), BenchError> {
        // The last tools of a round in order are in memory; this one is of those that went first.
        self.round(server, 0, self.crowd.len()).await?;
        let mut open = Vec::new();
        for _ in 0..STAMPEDE {
            open.push(Connection::open(server.address).await?);
        }
        let missed = server.level("artifact_misses_total").await?;
        let begun = Instant::now();
        let calls: Vec<_> = open
            .into_iter()
            .map(|mut client| {
                let request = self.crowd.call(0);
                tokio::spawn(async move { check(&serde_json::from_slice(&client.send(request).await?).unwrap_or_default()) })
            })
            .collect();
        for call in calls {
            call.await.map_err(|error| BenchError::Failed(format!("a call's task ended early: {error}")))??;
        }
        let took = begun.elapsed();
        let missed = server.level("artifact_misses_total").await? - missed;
        println!(
            "  {STAMPEDE} calls of one cold tool at one time: loaded {missed} time(s), all answered in {:.1} ms",
            took.as_secs_f64() * 1e3
        );
        must(missed == 1, || format!("a tool was loaded {missed} times for {STAMPEDE} calls"))
    }

    /// What the disk does not hold is made by a worker; what it holds has its bound.
    async fn print_little_disk(&self) -> Result<(), BenchError> {
        let disk_bytes = || folder_bytes(&cache_of(&self.data));
        let kept = disk_bytes()?;
        // What all tools need, the disk has room for in any case.
        let bound = self.engine_bytes + (kept - self.engine_bytes) / TOOLS_PER_KEPT as u64;
        let server = self.start(Some(bound)).await?;
        let at_start = disk_bytes()?;
        let calls = self.crowd.len() / TOOLS_PER_KEPT;
        let crowd = Arc::clone(&self.crowd);
        let made =
            load::run_all(server.id(), server.address, CALLERS, calls, move |number| crowd.call(scattered(number))).await?;
        row("little disk", CALLERS, &made);
        let after = disk_bytes()?;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!(
            "  native code on disk: {:.1} MiB; bounded to {:.1}: {:.1} after a start, {:.1} after {calls} calls",
            mib(kept),
            mib(bound),
            mib(at_start),
            mib(after)
        );
        must(at_start <= bound && after <= bound, || "there is more native code on disk than may be".to_owned())
    }
}

fn print_ratios(warm: &Load, cold: &Load, quiet: &Load, beside_warm: &Load, beside: &Load) {
    let p99 = |load: &Load| load.percentile(0.99).as_secs_f64();
    println!(
        "  a call of a tool that is not in memory: {:.2} times the CPU of one that is",
        cold.cpu_us_per_request() / warm.cpu_us_per_request()
    );
    println!(
        "  the neighbour's p99: {:.2} times the quiet one beside calls of tools in memory, {:.2} times beside calls of all (wanted: 2 times at most)",
        p99(beside_warm) / p99(quiet),
        p99(beside) / p99(quiet)
    );
}

/// What grew from one round to the next grows with the calls.
fn check_growth(levels_kib: &[u64]) -> Result<(), BenchError> {
    let (early, late) = (levels_kib.get(1).copied().unwrap_or_default(), levels_kib.last().copied().unwrap_or_default());
    must(late <= early + GROWTH_KIB_MAX, || format!("resident memory grew by {} MiB from round to round", (late - early) / 1024))
}

/// Where a server keeps native code.
fn cache_of(data: &Path) -> PathBuf {
    data.join("cache")
}

fn must(holds: bool, words: impl FnOnce() -> String) -> Result<(), BenchError> {
    if holds { Ok(()) } else { Err(BenchError::Failed(words())) }
}

fn milliseconds(sorted: &[Duration], share: f64) -> f64 {
    percentile(sorted, share).as_secs_f64() * 1e3
}

/// Numbers in no order, the same ones in every run (the finalizer of `SplitMix64`).
fn scattered(number: usize) -> usize {
    let mut bits = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((bits ^ (bits >> 31)) >> 1).unwrap_or(number)
}
