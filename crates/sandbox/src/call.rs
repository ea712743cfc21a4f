//! One call, from a fresh instance to its outcome and receipt. Runs on the guests' own threads.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{Abilities, Outcome, Receipt};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use crate::{
    Entry, Invocable, Invocation, InvokeError, Invoked,
    budget::MemoryBudget,
    invocable::{Answered, Broken},
    invocation::CallLimit,
    meter::Metered,
    outcome,
    outside::Outside,
    state::GuestState,
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

/// Runs a call that has had its slot since `begun`.
pub(crate) async fn run(
    engine: Engine,
    budget: Arc<MemoryBudget>,
    tool: Arc<Invocable>,
    call: Invocation,
    io: Handle,
    begun: Instant,
) -> Result<Invoked, InvokeError> {
    let deadline = begun + call.limits.wall_max();
    let fuel_max = call.limits.fuel_per_call_max;
    let state = GuestState::new(call.limits, call.environment, call.reports, Outside::new(call.outbound, io), budget, begun);
    let mut store = prepare(&engine, state, fuel_max).map_err(InvokeError::Internal)?;

    let (end, cpu_us) = drive(&mut store, &tool, (call.entry, &call.arguments), &call.cancelled, deadline).await;

    let crossed = store.data_mut().settle_wasi();
    let owes_fuel = pay_for_wasi(&mut store);
    let outcome = match end {
        End::Guest(_) if let Some(limit) = crossed => {
            outcome::Ended::without_output(Outcome::LimitExceeded(store.data().limits.exceeded(limit)))
        }
        End::Guest(_) if owes_fuel => {
            outcome::Ended::without_output(Outcome::LimitExceeded(store.data().limits.exceeded(CallLimit::Fuel)))
        }
        End::Guest(Ok(Answered::Guest(answer))) => outcome::of_answer(&store, &answer)?,
        End::Guest(Ok(Answered::Component(answer))) => answer.judge(store.data()),
        End::Guest(Err(broken)) => outcome::of_broken(&store, broken)?,
        End::Cancelled => outcome::Ended::without_output(Outcome::Cancelled),
        End::Deadline => {
            let limit = store.data().limits.exceeded(CallLimit::Wall);
            outcome::Ended::without_output(Outcome::LimitExceeded(limit))
        }
    };
    // wasmtime writes down what a function used when it calls another or ends: a loop that the clock stopped is charged up to the
    // last call in it, and by its CPU time.
    let fuel = fuel_max - store.get_fuel().unwrap_or_default().min(fuel_max);
    let state = store.into_data();
    let receipt = Receipt {
        digest: call.digest,
        fuel,
        memory_bytes_peak: state.footprint.memory_bytes(),
        wall_us: micros(begun.elapsed()),
        cpu_us,
        queue_us: call.queue_us,
        host_calls: state.host_calls,
        egress_bytes: state.outside.bytes(),
        output_bytes: outcome.output_bytes,
        log_lines: state.log.written(),
    };
    if let Some(receipts) = call.receipts {
        // Nobody may want it any more.
        let _ = receipts.try_send(receipt.clone());
    }
    Ok(Invoked { outcome: outcome.outcome, receipt, log: state.log.take_lines(), journal: None, lacked: Abilities::default() })
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
/// within one tick never touches a timer. It yields at every tick, and then whoever wants it to end is heard.
async fn drive(
    store: &mut Store<GuestState>,
    tool: &Invocable,
    (entry, arguments): (Entry, &str),
    cancelled: &CancellationToken,
    deadline: Instant,
) -> (End, u64) {
    let guest = pin!(tool.call(store, entry, arguments));
    let mut guest = Metered::new(guest);
    let end = tokio::select! {
        biased;
        answer = &mut guest => End::Guest(answer),
        () = cancelled.cancelled() => End::Cancelled,
        () = tokio::time::sleep_until(deadline.into()) => End::Deadline,
    };
    (end, guest.cpu_us())
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
