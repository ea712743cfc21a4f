//! The end of a run with questions, and the point at which the next run takes over from its journal.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use domain::{Suspended, SuspendedBody};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use wasmtime::StoreContextMut;

use super::Ahead;
use crate::{
    host::{Fault, OpenBody},
    state::GuestState,
};

/// How long the bodies that a guest holds open are read before it ends: most are there already, and some never end.
const BODIES_MAX: Duration = Duration::from_secs(5);

/// Ends the guest, which waits for answers of its client and for nothing else, with [`Fault::Asks`]. Where the next run could not be brought to
/// this point, its questions fail instead.
pub(crate) async fn suspend(guest: &mut StoreContextMut<'_, GuestState>) -> Result<(), Fault> {
    if let Some(reason) = why_unsuspendable(guest.data()) {
        guest.data_mut().operations.fail_questions(reason);
        return Ok(());
    }
    let GuestState { operations, outside, tape: Some(tape), .. } = guest.data_mut() else { return Ok(()) };
    let open = outside.bodies.take_open();
    let (left, until) = (AtomicU64::new(tape.bytes_left()), Instant::now() + BODIES_MAX);
    let bodies = join_all(open.into_iter().map(|body| read_out(body, &left, until))).await;
    tape.suspended = Some(Suspended {
        questions: operations.questions().cloned().collect(),
        sleeps: operations.sleeps(),
        bodies,
        handle_last: operations.handle_last(),
    });
    Err(Fault::Asks)
}

/// Why a question would not be answered by running the guest again.
pub(crate) fn why_unsuspendable(state: &GuestState) -> Option<&'static str> {
    if state.wasi.is_some() {
        return Some(
            "a component that has used WASI cannot ask this client: the call would be run again over what its host answered, and WASI's answers are \
             not recorded; use `toolwright:tool/host` alone",
        );
    }
    state.tape.as_ref().is_none_or(|tape| tape.is_full()).then_some(
        "the call can no longer ask its client: what it was told by the host so far is more than is kept of a call until the answer comes",
    )
}

/// Where the guest is where the last run ended, what was under way then goes on: from here on all is done.
pub(crate) fn resume(guest: &mut StoreContextMut<'_, GuestState>) {
    let GuestState { operations, outside, tape, .. } = guest.data_mut();
    let Some(Ahead { suspended, mut answers }) = tape.as_mut().and_then(|tape| tape.ahead.take()) else { return };
    let Suspended { questions, sleeps, bodies, handle_last } = suspended;
    operations.go_on_from(handle_last);
    for open in questions {
        match answers.remove(&open.key) {
            Some(answer) => operations.answer(open.operation, &answer),
            None => operations.keep(open),
        }
    }
    for sleep in sleeps {
        operations.sleep(sleep.operation, Duration::from_micros(sleep.left_us));
    }
    for body in bodies {
        outside.bodies.restore(body);
    }
}

async fn read_out(body: OpenBody, left: &AtomicU64, until: Instant) -> SuspendedBody {
    let OpenBody { handle, last_read, is_begun, piece, rest } = body;
    let mut kept = Vec::new();
    let broken = match rest {
        None => Some("it was not read to its end".to_owned()),
        Some(mut rest) => {
            let reading = async {
                loop {
                    match rest.next().await {
                        Ok(Ok(Some(piece))) if take(left, piece.len() as u64) => kept.extend_from_slice(&piece),
                        Ok(Ok(Some(_))) => break Some("it has more bytes than are kept of it".to_owned()),
                        Ok(Ok(None)) => break None,
                        Ok(Err(reason)) => break Some(reason),
                        Err(error) => break Some(error.to_string()),
                    }
                }
            };
            timeout_at(until, reading).await.unwrap_or_else(|_| Some("it came too slowly".to_owned()))
        }
    };
    let broken = broken.map(|reason| format!("the rest of the body is not there any more since the client was asked: {reason}"));
    SuspendedBody { body: handle, last_read, is_begun, piece, rest: kept, broken }
}

/// Takes `bytes` of what is left, if there are so many.
fn take(left: &AtomicU64, bytes: u64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
}
