//! A component's first start, in the worker process that inspects it: whether all its imports are there, whether it starts within what a
//! guest may have, and what a tool says of itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use domain::{CustomerId, TierName};
use tokio::{runtime::Handle, sync::Semaphore};
use wasmtime::{
    Engine, Store, Trap,
    component::{Component, InstancePre},
};

use crate::{
    CallLimits, MEMORY_BYTES_MAX, Questions,
    budget::{MemoryBudget, Reservation},
    component::{self, ComponentRuntime, World},
    host::{Client, Fault},
    invocable::Broken,
    outside::Outside,
    share::Share,
    state::{GuestState, Surroundings},
    wall::Wall,
};

/// Fuel that a start and `describe` may burn, however much the tier has: twice what Python takes, and about two seconds of a loop that does
/// nothing else.
pub const START_FUEL_MAX: u64 = 2_000_000_000;
/// Wall time, for what takes time and no fuel, and for a machine under load.
const WALL_MAX: Duration = Duration::from_secs(10);
/// Nobody's tier: what crosses a limit here is told in words of its own.
const TIER: &str = "inspection";

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// An instance is made.
    Start,
    /// An instance is made, and its `describe` called (world `toolwright:tool/tool`).
    Describe {
        /// Bytes of the answer, at most.
        answer_bytes_max: usize,
    },
}

/// Why a component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The component is at fault; the text is for its author.
    #[error("{0}")]
    Rejected(String),
    /// The platform is.
    #[error("cannot try the component out")]
    Internal(#[source] wasmtime::Error),
}

/// Starts `component`, which was compiled by `engine` in this process. It has the host's functions, but no environment and no way out, and burns
/// `fuel_max` at most, and no more than [`START_FUEL_MAX`]. Blocks for 10 s at most. Gives what `describe` answered, if it was asked.
pub fn try_out(engine: &Engine, component: &Component, trial: Trial, fuel_max: u64) -> Result<Option<String>, TrialError> {
    let fuel_max = fuel_max.min(START_FUEL_MAX);
    let linked = ComponentRuntime::new(engine).map_err(TrialError::Internal)?.link(component);
    let instance =
        linked.map_err(|error| TrialError::Rejected(format!("the component's imports are not what there is: {error:#}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| TrialError::Internal(error.into()))?;
    with_deadline(engine, || {
        runtime.block_on(async {
            let tried = tokio::time::timeout(WALL_MAX, run(engine, component, &instance, trial, fuel_max)).await;
            tried.unwrap_or_else(|_| Err(TrialError::Rejected(too_long(fuel_max))))
        })
    })
}

async fn run(
    engine: &Engine,
    component: &Component,
    linked: &InstancePre<GuestState>,
    trial: Trial,
    fuel_max: u64,
) -> Result<Option<String>, TrialError> {
    let mut store = Store::new(engine, state(fuel_max)?);
    store.limiter(|state| &mut state.footprint);
    store.set_fuel(fuel_max).map_err(TrialError::Internal)?;
    store.set_epoch_deadline(1);
    let rejected =
        |what: &str, error: &wasmtime::Error| TrialError::Rejected(format!("the component {what}: {}", explain(error, fuel_max)));
    let instance = component::start(linked, &mut store).await.map_err(|broken| {
        let (Broken::Start(error) | Broken::Call(error)) = broken;
        rejected("does not start", &error)
    })?;
    let Trial::Describe { answer_bytes_max } = trial else { return Ok(None) };
    let not_of_the_world =
        |error| TrialError::Rejected(format!("the component is not of the world `toolwright:tool/tool`: {error:#}"));
    let describe = instance.get_typed_func::<(), (String,)>(&mut store, "describe").map_err(not_of_the_world)?;
    let world = World::find(component).ok_or_else(|| not_of_the_world(wasmtime::Error::msg("it has no `call`")))?;
    world.check(instance, &mut store).map_err(not_of_the_world)?;
    // What `describe` answers is copied, up to this bound.
    store.set_hostcall_fuel(answer_bytes_max);
    let (text,) = describe.call_async(&mut store, ()).await.map_err(|error| rejected("fails in `describe`", &error))?;
    Ok(Some(text))
}

fn explain(error: &wasmtime::Error, fuel_max: u64) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel | Trap::Interrupt) => return too_long(fuel_max),
        Some(trap) => return trap.to_string(),
        None => {}
    }
    error.downcast_ref::<Fault>().map_or_else(|| format!("{error:#}"), ToString::to_string)
}

fn too_long(fuel_max: u64) -> String {
    format!("it burned more than {fuel_max} fuel, or took longer than {} s, before it could be called", WALL_MAX.as_secs())
}

/// The state of a guest that has what the largest guest can have, and nobody to speak to.
fn state(fuel_max: u64) -> Result<GuestState, TrialError> {
    let tier: TierName = TIER.parse().map_err(|error| TrialError::Internal(wasmtime::Error::new(error)))?;
    let limits = CallLimits {
        tier,
        fuel_per_call_max: fuel_max,
        memory_bytes_max: MEMORY_BYTES_MAX as u64,
        wall_ms_max: u32::try_from(WALL_MAX.as_millis()).unwrap_or(u32::MAX),
        output_bytes_max: 0,
        log_lines_max: 0,
        host_calls_max: 0,
        egress_bytes_max: 0,
        queue_wait_ms_max: 0,
    };
    let budget = MemoryBudget::new(MEMORY_BYTES_MAX as u64, Share::of_percent(100));
    let memory = Reservation::empty(budget, CustomerId::new());
    let outside = Outside::new(None, Handle::current());
    let begun = Instant::now();
    let around = Surroundings {
        environment: Arc::new(BTreeMap::new()),
        reports: None,
        outside,
        client: Client::new(Questions::default(), Arc::new(Semaphore::new(0))),
        tape: None,
        wall: Wall::new(begun),
    };
    Ok(GuestState::new(limits, around, memory, begun))
}

/// Interrupts what runs under `engine` when the time is up.
fn with_deadline<T>(engine: &Engine, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        scope.spawn(move || {
            if is_done.recv_timeout(WALL_MAX) == Err(mpsc::RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        });
        let result = work();
        drop(done);
        result
    })
}
