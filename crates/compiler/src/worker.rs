//! The worker process: reads requests from standard input, answers on standard output, and knows nothing else of the world.

use std::{
    io::{self, Stdout},
    process::ExitCode,
    thread,
};

use domain::{Diagnostic, Digest, Language};
use sandbox::{
    CacheKey, NativeCache, NativeCacheConfig,
    native::{self, Label},
};
use wasmtime::Engine;

use crate::{
    ModuleBounds,
    artifact::{self, Form},
    build::InspectedExport,
    confinement::confine,
    data_module::InspectError,
    engine,
    frame::{self, Answer, Frame, Offered, Phase, Request},
    inspection::{self, Refusal},
    portable,
    snapshot::{SnapshotError, Workshop},
    source,
};

/// The parser and what walks its tree recurse as deep as a source is nested. Measured: a hundred thousand brackets, of any sort, fit
/// in 256 MiB with room to spare. What is nested deeper kills the process, and its parent says why. The kernel gives memory as
/// it is touched, and takes it back after each build.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// The engine's own memory, and what a source needs while it is read.
const MEMORY_BYTES_BASE: u64 = 16 * 1024 * 1024;
/// What a source may use at its top level for each byte that its artifact may have: objects are garbage before they are data.
const MEMORY_BYTES_PER_ARTIFACT_BYTE: u64 = 4;
/// The memory of the largest tier.
const MEMORY_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// What a worker builds with.
struct Bench {
    engine: Engine,
    workshop: Workshop,
}

/// What is to be built.
struct Order<'a> {
    language: Language,
    source: &'a str,
    artifact_bytes_max: u64,
    modules: &'a ModuleBounds,
}

/// What an answer carries.
struct Reply {
    head: Answer,
    body: Vec<Vec<u8>>,
}

/// Serves builds on standard input and output until the input ends: the body of the command `compile-worker`. It needs no
/// environment, no configuration and no other descriptor.
#[must_use]
pub fn run_worker() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The parent reads what its workers write here.
            let _ = io::Write::write_all(&mut io::stderr(), format!("the build worker ends: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout();
    let Some(first) = frame::read::<Request>(&mut input)? else { return Ok(()) };
    let Request::Prepare { dir, key, js_engine, engine, is_confined } = first.head else {
        return Err(io::Error::other("the first request does not prepare"));
    };
    let bench = prepare(dir, CacheKey::new(key), js_engine, engine).map_err(io::Error::other)?;
    // Nothing of a customer's has been read yet, and all that is needed of the outside is here.
    if is_confined {
        confine().map_err(|error| io::Error::other(explain(&error)))?;
    }
    frame::write(&mut output, &Answer::Ready, &[])?;
    while let Some(request) = frame::read::<Request>(&mut input)? {
        let reply = answer_on_a_large_stack(&bench, request, &output)?;
        let body: Vec<&[u8]> = reply.body.iter().map(Vec::as_slice).collect();
        frame::write(&mut output, &reply.head, &body)?;
    }
    Ok(())
}

fn prepare(dir: std::path::PathBuf, key: CacheKey, js_engine: Digest, engine_digest: Digest) -> Result<Bench, String> {
    let engine = native::compile_engine().map_err(|error| error.to_string())?;
    let config = NativeCacheConfig { dir, key, bytes_max: u64::MAX };
    let cache = NativeCache::open(&engine, config).map_err(|error| error.to_string())?;
    let load = |label: &Label| cache.load(label).ok_or_else(|| format!("`{}` cannot be loaded", label.kind));
    let shared = load(&sandbox::functions_label(js_engine, engine_digest))?;
    let base = load(&sandbox::base_label(engine_digest))?;
    let workshop = Workshop::new(&engine, shared, base).map_err(|error| error.to_string())?;
    start_threads(&engine)?;
    Ok(Bench { engine, workshop })
}

/// Cranelift's threads are started with the first code that is made, as many as the control group has cores: a confined worker can
/// no longer ask how many these are.
fn start_threads(engine: &Engine) -> Result<(), String> {
    /// `(module (func) (func))`
    const TWO_FUNCTIONS: [u8; 28] =
        [0, b'a', b's', b'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 3, 2, 0, 0, 10, 7, 2, 2, 0, 0x0b, 2, 0, 0x0b];
    native::precompile_module(engine, &TWO_FUNCTIONS).map(drop).map_err(|error| explain(&error))
}

/// Each request gets a thread of its own: what it did to its stack is gone with it, and a panic ends it alone.
fn answer_on_a_large_stack(bench: &Bench, request: Frame<Request>, output: &Stdout) -> io::Result<Reply> {
    thread::scope(|scope| {
        let answering = thread::Builder::new()
            .name("build".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || answer(bench, request, output))?;
        answering.join().unwrap_or_else(|_| {
            let message = "the compiler cannot handle this source: it broke off without a reason that could be shown";
            Ok(Reply::from(rejected(vec![Diagnostic::without_place(message)])))
        })
    })
}

fn answer(bench: &Bench, request: Frame<Request>, output: &Stdout) -> io::Result<Reply> {
    match request.head {
        Request::Prepare { .. } => Err(io::Error::other("the worker is prepared already")),
        Request::Precompile => Ok(precompile(bench, &request.body)),
        Request::PrecompileComponent => Ok(precompile_component(bench, &request.body)),
        Request::Inspect { start_fuel_max } => inspect(bench, &request.body, start_fuel_max, output),
        Request::Portable => Ok(portable(bench, &request.body)),
        Request::Build { language, artifact_bytes_max, modules } => match String::from_utf8(request.body) {
            Ok(source) => build(bench, &Order { language, source: &source, artifact_bytes_max, modules: &modules }, output),
            Err(_) => Ok(rejected(vec![Diagnostic::without_place("the source is not text in UTF-8")]).into()),
        },
    }
}

fn build(bench: &Bench, order: &Order<'_>, output: &Stdout) -> io::Result<Reply> {
    let Order { language, source, artifact_bytes_max, modules } = *order;
    let enter = |phase| frame::write(&mut output.lock(), &Answer::Phase(phase), &[]);
    enter(Phase::Translating)?;
    let script = match source::translate(language, source, modules) {
        Ok(script) => script,
        Err(diagnostics) => return Ok(rejected(diagnostics).into()),
    };
    enter(Phase::Evaluating)?;
    let snapshot = match bench.workshop.build(language, source, &script, memory_bytes_max(artifact_bytes_max)) {
        Ok(snapshot) => snapshot,
        Err(SnapshotError::Rejected(diagnostics)) => return Ok(rejected(diagnostics).into()),
        Err(SnapshotError::Internal(message)) => return Ok(Answer::Internal { message }.into()),
    };
    let bytes = snapshot.artifact.len() as u64;
    if bytes > artifact_bytes_max {
        return Ok(Answer::ArtifactSize { bytes }.into());
    }
    enter(Phase::Compiling)?;
    Ok(match native::precompile_module(&bench.engine, &snapshot.artifact) {
        Ok(native) => Reply {
            head: Answer::Built {
                interface: Box::new(snapshot.interface),
                modules: script.modules,
                artifact_bytes: snapshot.artifact.len(),
            },
            body: vec![snapshot.artifact, native],
        },
        Err(error) => Answer::Internal { message: explain(&error) }.into(),
    })
}

fn precompile(bench: &Bench, artifact: &[u8]) -> Reply {
    if let Err(answer) = inspect_artifact(bench, artifact) {
        return answer.into();
    }
    match native::precompile_module(&bench.engine, artifact) {
        Ok(native) => Reply { head: Answer::Precompiled, body: vec![native] },
        Err(error) => Answer::Internal { message: explain(&error) }.into(),
    }
}

/// A component that was inspected when it was uploaded.
fn precompile_component(bench: &Bench, component: &[u8]) -> Reply {
    match native::precompile_component(&bench.engine, component) {
        Ok(native) => Reply { head: Answer::Precompiled, body: vec![native] },
        Err(error) => Answer::Internal { message: explain(&error) }.into(),
    }
}

fn inspect(bench: &Bench, component: &[u8], start_fuel_max: u64, output: &Stdout) -> io::Result<Reply> {
    let enter = |phase| frame::write(&mut output.lock(), &Answer::Phase(phase), &[]);
    enter(Phase::Inspecting)?;
    let mut entered = Ok(());
    let inspected = inspection::inspect(&bench.engine, component, start_fuel_max, || entered = enter(Phase::Compiling));
    entered?;
    Ok(match inspected {
        Ok(inspection) => {
            let offers = inspection.offers.into_iter().map(|InspectedExport { export, interface }| Offered { export, interface });
            Reply { head: Answer::Inspected { offers: offers.collect() }, body: vec![inspection.native] }
        }
        Err(Refusal::Rejected(reasons)) => rejected(Refusal::diagnostics(reasons)).into(),
        Err(Refusal::Internal(message)) => Answer::Internal { message }.into(),
    })
}

fn portable(bench: &Bench, artifact: &[u8]) -> Reply {
    let form = match inspect_artifact(bench, artifact) {
        Ok(form) => form,
        Err(answer) => return answer.into(),
    };
    let whole = match artifact::whole(artifact, form, bench.workshop.base()) {
        Ok(whole) => whole,
        Err(error) => return Answer::Internal { message: explain(&error) }.into(),
    };
    match portable::assemble(engine::core(), &whole) {
        Ok(component) => Reply { head: Answer::Portable, body: vec![component] },
        Err(error) => Answer::Internal { message: explain(&error) }.into(),
    }
}

fn inspect_artifact(bench: &Bench, artifact: &[u8]) -> Result<Form, Answer> {
    artifact::inspect(artifact, bench.workshop.base(), MEMORY_BYTES_MAX).map_err(|error| match error {
        InspectError::OtherBase => Answer::OtherBase,
        error => Answer::Internal { message: format!("the artifact is not one of ours: {error}") },
    })
}

const fn memory_bytes_max(artifact_bytes_max: u64) -> u64 {
    let bytes = MEMORY_BYTES_BASE.saturating_add(artifact_bytes_max.saturating_mul(MEMORY_BYTES_PER_ARTIFACT_BYTE));
    if bytes < MEMORY_BYTES_MAX { bytes } else { MEMORY_BYTES_MAX }
}

const fn rejected(diagnostics: Vec<Diagnostic>) -> Answer {
    Answer::Rejected { diagnostics }
}

fn explain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

impl From<Answer> for Reply {
    fn from(head: Answer) -> Self {
        Self { head, body: Vec::new() }
    }
}
