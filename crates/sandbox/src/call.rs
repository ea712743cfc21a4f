//! One call, from a fresh instance to its outcome and receipt. Runs on the guests' own threads.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{Digest, JournalPins, Outcome, Receipt};
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use crate::{
    Entry, Invocable, Invocation, InvokeError, Invoked, Questions, ResultMemory,
    budget::{MemoryBudget, Reservation},
    host::{Client, Fault},
    invocable::{Answered, Broken},
    invocation::CallLimit,
    journal::Tape,
    meter::Metered,
    outcome,
    outside::Outside,
    state::{GuestState, Surroundings},
    turns::{InTurn, Turn},
    wall::Wall,
};

/// Bytes that a guest gives to one of the host's functions, or answers, at most. Ours read texts where they are in the guest's memory and
/// copy what has a bound of its own; but texts in UTF-16, lists of WASI and values of other exports become copies as they are.
const HOSTCALL_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a guest runs no longer.
enum End {
    Guest(Result<Answered, Broken>),
    Cancelled,
    Deadline,
}

/// What all calls of a node share.
#[derive(Debug, Clone)]
pub(crate) struct House {
    pub(crate) engine: Engine,
    pub(crate) budget: Arc<MemoryBudget>,
    /// Places for guests that wait for their clients.
    pub(crate) waiting: Arc<Semaphore>,
    /// The JavaScript engine.
    pub(crate) js_engine: Digest,
    /// The runtime that drives sockets.
    pub(crate) io: Handle,
}

/// Runs a call that has had its slot since `begun`, and asked for its first `turn`.
pub(crate) async fn run(
    house: House,
    tool: Arc<Invocable>,
    mut call: Invocation,
    turn: Turn,
    begun: Instant,
) -> Result<Invoked, InvokeError> {
    let tape = start_tape(&house, &mut call)?;
    let used = tape.as_ref().and_then(|tape| tape.used()).cloned().unwrap_or_else(|| Receipt::empty(call.digest));
    call.outbound.iter().for_each(|outbound| outbound.count_earlier(used.egress_bytes));
    let wall = Wall::new(begun + call.limits.wall_max().saturating_sub(Duration::from_micros(used.wall_us)));
    let fuel_max = call.limits.fuel_per_call_max;
    let fuel_left = fuel_max.saturating_sub(used.fuel);
    let around = Surroundings {
        environment: call.environment,
        reports: call.reports,
        outside: Outside::new(call.outbound, house.io),
        client: Client::new(call.questions, house.waiting),
        tape,
        wall: wall.clone(),
    };
    let memory = Reservation::empty(house.budget, call.customer);
    let state = GuestState::new(call.limits, around, memory, begun);
    let mut store = prepare(&house.engine, state, fuel_left).map_err(InvokeError::Internal)?;

    let guest = (call.entry, call.arguments.as_str(), turn);
    let (end, cpu_us) = drive(&mut store, &tool, guest, &call.cancelled, &wall).await;

    let ended = judge(&mut store, end)?;
    // wasmtime writes down what a function used when it calls another or ends: a loop that the clock stopped is charged up to the
    // last call in it, and by its CPU time.
    let fuel = fuel_left - store.get_fuel().unwrap_or_default().min(fuel_left);
    let state = store.into_data();
    let receipt = Receipt {
        digest: call.digest,
        fuel: used.fuel.saturating_add(fuel),
        memory_bytes_peak: used.memory_bytes_peak.max(state.footprint.memory_bytes()),
        wall_us: used.wall_us.saturating_add(micros(begun.elapsed().saturating_sub(wall.stood_still()))),
        cpu_us: used.cpu_us.saturating_add(cpu_us),
        queue_us: used.queue_us.saturating_add(call.queue_us),
        // A guest that is run again asks and writes the same again, which counts once.
        host_calls: used.host_calls.max(state.host_calls),
        egress_bytes: used.egress_bytes.max(state.outside.bytes()),
        output_bytes: ended.output_bytes,
        log_lines: used.log_lines.max(state.log.written()),
    };
    if let Some(receipts) = call.receipts {
        // Nobody may want it any more.
        let _ = receipts.try_send(receipt.clone());
    }
    let journal = match ended.outcome {
        Outcome::Asks(_) => state.tape.and_then(|tape| tape.into_journal(receipt.clone())).map(Box::new),
        _ => None,
    };
    let memory = match ended.outcome {
        Outcome::Success(_) => ResultMemory::of(state.footprint.into_memory(), ended.output_bytes),
        _ => None,
    };
    let (log, lacked) = (state.log.take_lines(), state.client.lacked());
    Ok(Invoked { outcome: ended.outcome, receipt, log, journal, lacked, memory })
}

/// The journal of a call that is recorded.
fn start_tape(house: &House, call: &mut Invocation) -> Result<Option<Box<Tape>>, InvokeError> {
    let Questions::Recorded(recording) = &mut call.questions else { return Ok(None) };
    let pins = JournalPins {
        version: recording.version,
        artifact: call.digest,
        engine: house.js_engine,
        environment: recording.environment,
        entry: call.entry,
        arguments: Digest::of(call.arguments.as_bytes()),
    };
    let bytes_max = call.limits.output_bytes_max.saturating_add(call.limits.egress_bytes_max);
    let tape = Tape::new(pins, recording.replay.take(), bytes_max, Reservation::empty(house.budget.clone(), call.customer))?;
    Ok(Some(Box::new(tape)))
}

/// How the call ended.
fn judge(store: &mut Store<GuestState>, end: End) -> Result<outcome::Ended, InvokeError> {
    let crossed = store.data_mut().settle_wasi();
    let owes_fuel = pay_for_wasi(store);
    Ok(match end {
        End::Guest(_) if let Some(limit) = crossed => {
            outcome::Ended::without_output(Outcome::LimitExceeded(store.data().limits.exceeded(limit)))
        }
        End::Guest(_) if owes_fuel => {
            outcome::Ended::without_output(Outcome::LimitExceeded(store.data().limits.exceeded(CallLimit::Fuel)))
        }
        End::Guest(Ok(_)) if store.data().is_replaying() => {
            outcome::Ended::without_output(Outcome::Trap(Fault::EndedEarly.to_string()))
        }
        End::Guest(Ok(Answered::Guest(answer))) => outcome::of_answer(store, &answer)?,
        End::Guest(Ok(Answered::Component(answer))) => answer.judge(store.data()),
        End::Guest(Err(broken)) => outcome::of_broken(store, broken)?,
        End::Cancelled => outcome::Ended::without_output(Outcome::Cancelled),
        End::Deadline => {
            let limit = store.data().limits.exceeded(CallLimit::Wall);
            outcome::Ended::without_output(Outcome::LimitExceeded(limit))
        }
    })
}

fn prepare(engine: &Engine, state: GuestState, fuel_max: u64) -> wasmtime::Result<Store<GuestState>> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.footprint);
    store.set_fuel(fuel_max)?;
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|guest| {
        // What is left is as of the guest's last call of the host. It cannot be lowered here: the guest's code has it in a register.
        if guest.data().wasi_fuel() > guest.get_fuel()? { Err(Trap::OutOfFuel.into()) } else { Ok(UpdateDeadline::Yield(1)) }
    });
    store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
    Ok(store)
}

/// Charges what the guest owes for functions of WASI; whether it has less.
fn pay_for_wasi(store: &mut Store<GuestState>) -> bool {
    let (due, left) = (store.data().wasi_fuel(), store.get_fuel().unwrap_or_default());
    // Fuel is metered in every store of the engine, so that this does not fail.
    let paid = store.set_fuel(left.saturating_sub(due)).is_ok();
    due > left || !paid
}

/// Runs the guest until it ends or must end; with its CPU time in microseconds. The guest comes first, so that a call which ends
/// within one tick never touches a timer. It yields at every tick, and then whoever wants it to end is heard, as while it waits for its turn.
async fn drive(
    store: &mut Store<GuestState>,
    tool: &Invocable,
    (entry, arguments, turn): (Entry, &str, Turn),
    cancelled: &CancellationToken,
    wall: &Wall,
) -> (End, u64) {
    let guest = pin!(tool.call(store, entry, arguments));
    let mut guest = InTurn::new(Metered::new(guest), turn);
    let end = tokio::select! {
        biased;
        answer = &mut guest => End::Guest(answer),
        () = cancelled.cancelled() => End::Cancelled,
        () = wall.is_over() => End::Deadline,
    };
    (end, guest.cpu_us())
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
