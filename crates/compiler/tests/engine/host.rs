//! The host of an instance: what it does for a guest, and what it saw of it.

use std::collections::{BTreeMap, VecDeque};

use domain::{Question, QuestionKind};

use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use wasmtime::{Caller, Linker, Memory, Result, StoreLimits, bail};

use super::upstream::{self, Upstream};

pub(crate) const HOST: &str = "toolwright:tool/host@0.1.0";
/// When a test's clock begins: 2025-01-01T00:00:00Z in microseconds.
pub(crate) const START_US: u64 = 1_735_689_600_000_000;

/// What the host does for a guest, and what it saw of it.
#[derive(Default)]
pub(crate) struct Host {
    /// Level and text of each line.
    pub(crate) log: Vec<(u32, String)>,
    pub(crate) progress: Vec<(f64, Option<f64>, Option<String>)>,
    pub(crate) environment: BTreeMap<&'static str, &'static str>,
    /// How often each function was called.
    pub(crate) calls: BTreeMap<&'static str, u32>,
    /// It stands still but for sleeps and for a microsecond at each look.
    pub(crate) now_us: u64,
    pub(crate) memory_bytes: u64,
    /// Whether `start` answers every operation with an error.
    pub(crate) refuses_operations: bool,
    pub(crate) upstream: Upstream,
    /// What the client was asked, and what it will answer.
    pub(crate) asked: Vec<(QuestionKind, Value)>,
    pub(crate) answers: VecDeque<std::result::Result<Value, &'static str>>,
    under_way: Vec<UnderWay>,
    handles: u32,
    randoms: u64,
    pub(crate) limits: StoreLimits,
}

/// An operation that has begun: its handle, when it ends on the host's clock, and what `wait` will tell of it.
struct UnderWay {
    handle: u32,
    until_us: u64,
    told: std::result::Result<String, String>,
}

impl Host {
    /// A host whose clock begins at [`START_US`].
    pub(crate) fn new(memory_bytes: u64) -> Self {
        Self { now_us: START_US, memory_bytes, ..Self::default() }
    }

    pub(crate) fn next_handle(&mut self) -> u32 {
        self.handles += 1;
        self.handles
    }

    pub(crate) fn begin(&mut self, handle: u32, after_us: u64, told: std::result::Result<String, String>) {
        self.under_way.push(UnderWay { handle, until_us: self.now_us + after_us, told });
    }
}

/// Links the functions of the interface.
pub(crate) fn add(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(HOST, "log", |mut caller: Caller<'_, Host>, level: u32, at: u32, length: u32| {
        let text = take_text(&mut caller, at, length)?;
        caller.data_mut().log.push((level, text));
        Ok(())
    })?;
    linker.func_wrap(HOST, "progress", progress)?;
    linker.func_wrap(HOST, "config", |mut caller: Caller<'_, Host>, at: u32, length: u32, result: u32| {
        let name = take_text(&mut caller, at, length)?;
        match caller.data().environment.get(name.as_str()).copied() {
            Some(value) => give(&mut caller, result, 1, value.as_bytes()),
            None => write(&mut caller, result, &[0]),
        }
    })?;
    linker.func_wrap(HOST, "now", |mut caller: Caller<'_, Host>| {
        count(&mut caller, "now");
        caller.data_mut().now_us += 1;
        caller.data().now_us
    })?;
    linker.func_wrap(HOST, "random", |mut caller: Caller<'_, Host>, length: u32, result: u32| {
        count(&mut caller, "random");
        caller.data_mut().randoms += 1;
        let seed = caller.data().randoms;
        let bytes: Vec<u8> = (0..u64::from(length)).map(|at| Sha256::digest((seed * 1_000_000 + at).to_le_bytes())[0]).collect();
        give_at(&mut caller, result, &bytes)
    })?;
    linker.func_wrap(HOST, "digest", digest)?;
    linker.func_wrap(HOST, "memory-limit", |caller: Caller<'_, Host>| caller.data().memory_bytes)?;
    linker.func_wrap(HOST, "start", start)?;
    linker.func_wrap(HOST, "cancel", |mut caller: Caller<'_, Host>, handle: u32| {
        count(&mut caller, "cancel");
        caller.data_mut().under_way.retain(|other| other.handle != handle);
    })?;
    linker.func_wrap(HOST, "wait", |mut caller: Caller<'_, Host>, result: u32| {
        count(&mut caller, "wait");
        let host = caller.data_mut();
        let Some((at, _)) = host.under_way.iter().enumerate().min_by_key(|(_, operation)| operation.until_us) else {
            bail!("nothing is under way");
        };
        let UnderWay { handle, until_us, told } = host.under_way.remove(at);
        host.now_us = host.now_us.max(until_us);
        write(&mut caller, result, &handle.to_le_bytes())?;
        let (tag, text) = told.map_or_else(|error| (1, error), |text| (0, text));
        give(&mut caller, result + 4, tag, text.as_bytes())
    })?;
    upstream::add(linker)
}

fn progress(
    mut caller: Caller<'_, Host>,
    done: f64,
    has_total: u32,
    total: f64,
    has_message: u32,
    at: u32,
    length: u32,
) -> Result<()> {
    let message = take_text(&mut caller, at, length)?;
    let told = (done, (has_total == 1).then_some(total), (has_message == 1).then_some(message));
    caller.data_mut().progress.push(told);
    Ok(())
}

fn digest(mut caller: Caller<'_, Host>, at: u32, length: u32, data_at: u32, data_length: u32, result: u32) -> Result<()> {
    let algorithm = take_text(&mut caller, at, length)?;
    let data = take(&mut caller, data_at, data_length)?;
    match algorithm.as_str() {
        "SHA-256" => give(&mut caller, result, 0, &Sha256::digest(&data)),
        "SHA-384" => give(&mut caller, result, 0, &Sha384::digest(&data)),
        "SHA-512" => give(&mut caller, result, 0, &Sha512::digest(&data)),
        _ => give(&mut caller, result, 1, b"this host has no such digest"),
    }
}

fn start(mut caller: Caller<'_, Host>, at: u32, length: u32, result: u32) -> Result<()> {
    count(&mut caller, "start");
    let operation: Value = serde_json::from_str(&take_text(&mut caller, at, length)?)?;
    if caller.data().refuses_operations {
        return give(&mut caller, result, 1, "refused: ü".repeat(60).as_bytes());
    }
    if operation["op"] == "ask" {
        return ask(&mut caller, &operation, result);
    }
    let Some(ms) = operation["ms"].as_f64().filter(|_| operation["op"] == "sleep") else {
        return give(&mut caller, result, 1, b"unknown operation");
    };
    let host = caller.data_mut();
    let handle = host.next_handle();
    let after_us = u64::try_from(std::time::Duration::from_secs_f64(ms / 1000.0).as_micros())?;
    host.begin(handle, after_us, Ok(String::new()));
    write(&mut caller, result, &[0])?;
    write(&mut caller, result + 4, &handle.to_le_bytes())
}

/// A question as the platform checks it; the client answers after a second.
fn ask(caller: &mut Caller<'_, Host>, operation: &Value, result: u32) -> Result<()> {
    let kind: QuestionKind = serde_json::from_value(operation["kind"].clone())?;
    let question = match Question::parse(kind, &operation["params"].to_string()) {
        Ok(question) => question,
        Err(error) => return give(caller, result, 1, error.to_string().as_bytes()),
    };
    let host = caller.data_mut();
    host.asked.push((kind, question.params().to_value()));
    let answer = host.answers.pop_front().unwrap_or(Err("there is no client")).map(|value| value.to_string());
    let handle = host.next_handle();
    host.begin(handle, 1_000_000, answer.map_err(str::to_owned));
    write(caller, result, &[0])?;
    write(caller, result + 4, &handle.to_le_bytes())
}

pub(crate) fn count(caller: &mut Caller<'_, Host>, name: &'static str) {
    *caller.data_mut().calls.entry(name).or_default() += 1;
}

fn memory(caller: &mut Caller<'_, Host>) -> Memory {
    caller.get_export("memory").and_then(wasmtime::Extern::into_memory).unwrap()
}

pub(crate) fn take(caller: &mut Caller<'_, Host>, at: u32, length: u32) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    memory(caller).read(&caller, at as usize, &mut bytes)?;
    Ok(bytes)
}

/// The component model refuses text that is not UTF-8, so this does as well.
pub(crate) fn take_text(caller: &mut Caller<'_, Host>, at: u32, length: u32) -> Result<String> {
    Ok(String::from_utf8(take(caller, at, length)?)?)
}

pub(crate) fn write(caller: &mut Caller<'_, Host>, at: u32, bytes: &[u8]) -> Result<()> {
    Ok(memory(caller).write(caller, at as usize, bytes)?)
}

/// Writes a tag of one byte, and a list four bytes behind it.
pub(crate) fn give(caller: &mut Caller<'_, Host>, at: u32, tag: u8, bytes: &[u8]) -> Result<()> {
    write(caller, at, &[tag])?;
    give_at(caller, at + 4, bytes)
}

pub(crate) fn give_at(caller: &mut Caller<'_, Host>, at: u32, bytes: &[u8]) -> Result<()> {
    let allocate = caller.get_export("cabi_realloc").and_then(wasmtime::Extern::into_func).unwrap();
    let length = u32::try_from(bytes.len())?;
    let allocate = allocate.typed::<(u32, u32, u32, u32), u32>(&caller)?;
    let start = allocate.call(&mut *caller, (0, 0, 1, length))?;
    write(caller, start, bytes)?;
    write(caller, at, &start.to_le_bytes())?;
    write(caller, at + 4, &length.to_le_bytes())
}
