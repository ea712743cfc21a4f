//! Operations that take time. A guest starts any number of them and waits for whichever ends first.

use std::{collections::HashMap, time::Duration};

use futures_util::{
    StreamExt as _,
    future::{AbortHandle, Abortable, BoxFuture},
    stream::FuturesUnordered,
};
use serde::Deserialize;
use wasmtime::{StoreContextMut, component::WasmStr};

use super::{Fault, count, take_text};
use crate::state::GuestState;

/// Bytes of one operation's JSON.
const OPERATION_BYTES_MAX: usize = 64 * 1024;
/// The longest sleep: no tier lets a call run for a day.
const SLEEP_MS_MAX: f64 = 86_400_000.0;

/// What a guest may ask for.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
enum Operation {
    /// Ends after `ms` milliseconds, with an empty text.
    Sleep { ms: f64 },
}

type Answer = Result<String, String>;
/// An operation under way; gives its handle and its answer.
type Running = Abortable<BoxFuture<'static, (u32, Answer)>>;

/// The operations of one guest that are under way. They end with it.
#[derive(Default)]
pub(crate) struct Operations {
    /// Absent until the first operation: most calls have none.
    running: Option<FuturesUnordered<Running>>,
    cancellers: HashMap<u32, AbortHandle>,
    /// Handles count from 1 and are never given twice; `host_calls_max` bounds them.
    handle_last: u32,
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Operations({} under way)", self.cancellers.len())
    }
}

impl Operations {
    fn start(&mut self, operation: &Operation) -> u32 {
        self.handle_last += 1;
        let handle = self.handle_last;
        let work: BoxFuture<'static, (u32, Answer)> = match *operation {
            Operation::Sleep { ms } => {
                let duration = Duration::from_secs_f64(ms.clamp(0.0, SLEEP_MS_MAX) / 1000.0);
                let sleep = tokio::time::sleep(duration);
                Box::pin(async move {
                    sleep.await;
                    (handle, Ok(String::new()))
                })
            }
        };
        let (canceller, registration) = AbortHandle::new_pair();
        self.cancellers.insert(handle, canceller);
        self.running.get_or_insert_default().push(Abortable::new(work, registration));
        handle
    }

    fn cancel(&mut self, handle: u32) {
        if let Some(canceller) = self.cancellers.remove(&handle) {
            canceller.abort();
        }
    }

    async fn wait(&mut self) -> Option<(u32, Answer)> {
        let running = self.running.as_mut()?;
        loop {
            // One that was cancelled ends as `Aborted`, and is passed over.
            if let Ok((handle, answer)) = running.next().await? {
                self.cancellers.remove(&handle);
                return Some((handle, answer));
            }
        }
    }
}

/// `start: func(operation: string) -> result<u32, string>`
pub(super) fn start(
    mut guest: StoreContextMut<'_, GuestState>,
    (operation,): (WasmStr,),
) -> wasmtime::Result<(Result<u32, String>,)> {
    count(&mut guest)?;
    // What is cut is no JSON any more.
    let text = take_text(&mut guest, &operation, OPERATION_BYTES_MAX)?;
    Ok((match serde_json::from_str(&text) {
        Ok(operation) => Ok(guest.data_mut().operations.start(&operation)),
        Err(error) => Err(format!("the host does not know this operation: {error}")),
    },))
}

/// `cancel: func(handle: u32)`; a handle that is unknown or has ended is none of anyone's business.
pub(super) fn cancel(mut guest: StoreContextMut<'_, GuestState>, (handle,): (u32,)) -> wasmtime::Result<()> {
    super::charge(&mut guest, 0, 0)?;
    guest.data_mut().operations.cancel(handle);
    Ok(())
}

/// `wait: func() -> tuple<u32, result<string, string>>`
pub(super) async fn wait(mut guest: StoreContextMut<'_, GuestState>) -> wasmtime::Result<((u32, Answer),)> {
    super::charge(&mut guest, 0, 0)?;
    guest.data_mut().operations.wait().await.map(|ended| (ended,)).ok_or_else(|| Fault::NothingToWaitFor.into())
}
