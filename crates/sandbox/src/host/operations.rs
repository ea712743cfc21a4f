//! Operations that take time. A guest starts any number of them and waits for whichever ends first.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use egress::{FetchError, FetchResponse, ResponseBody};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{AbortHandle, Abortable, BoxFuture},
    stream::FuturesUnordered,
};
use serde::Deserialize;
use tokio::task;
use wasmtime::{StoreContextMut, component::WasmStr};

use super::{BYTE_FUEL, Fault, burn, charge, charge_refusal, count, refusal, requests, take_text};
use crate::{outside::Sending, state::GuestState};

/// Bytes of one operation's JSON.
const OPERATION_BYTES_MAX: usize = 64 * 1024;
/// The longest sleep: no tier lets a call run for a day.
const SLEEP_MS_MAX: f64 = 86_400_000.0;

/// What a guest may ask for by `start`.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
enum Operation {
    /// Ends after `ms` milliseconds, with an empty text.
    Sleep { ms: f64 },
}

/// How an operation ended.
#[derive(Debug)]
pub(super) enum Ended {
    Slept,
    /// A request, which held `sent`.
    Fetched {
        sent: Sending,
        response: Result<Box<FetchResponse>, FetchError>,
    },
    /// A request whose task broke off: a fault of ours.
    BrokeOff {
        sent: Sending,
    },
    /// A body, of which a piece and the rest came back; nothing at its end.
    Read {
        body: u32,
        piece: Result<Option<(Bytes, Box<ResponseBody>)>, FetchError>,
    },
}

/// An operation under way; gives its handle and how it ended.
type Running = Abortable<BoxFuture<'static, (u32, Ended)>>;

/// Ends an operation early.
#[derive(Debug)]
struct Canceller {
    waiting: AbortHandle,
    /// The task that does the work elsewhere.
    task: Option<task::AbortHandle>,
    /// What its request's text holds.
    head_bytes: u64,
}

/// The operations of one guest that are under way. They end with it.
#[derive(Default)]
pub(crate) struct Operations {
    /// Absent until the first operation: most calls have none.
    running: Option<FuturesUnordered<Running>>,
    cancellers: HashMap<u32, Canceller>,
    /// Handles of operations and bodies count from 1 and are never given twice.
    handle_last: u32,
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Operations({} under way)", self.cancellers.len())
    }
}

impl Operations {
    /// A handle that was never given.
    pub(super) fn next_handle(&mut self) -> Result<u32, Fault> {
        self.handle_last = self.handle_last.checked_add(1).ok_or(Fault::Handles)?;
        Ok(self.handle_last)
    }

    /// Begins to wait for `work`, which `task` does, if it is done elsewhere.
    pub(super) fn start(
        &mut self,
        handle: u32,
        task: Option<task::AbortHandle>,
        work: impl Future<Output = Ended> + Send + 'static,
    ) {
        let (waiting, registration) = AbortHandle::new_pair();
        self.cancellers.insert(handle, Canceller { waiting, task, head_bytes: 0 });
        let work = work.map(move |ended| (handle, ended)).boxed();
        self.running.get_or_insert_default().push(Abortable::new(work, registration));
    }

    /// Keeps in mind what is given back if the operation is cancelled.
    pub(super) fn hold(&mut self, handle: u32, head_bytes: u64) {
        if let Some(canceller) = self.cancellers.get_mut(&handle) {
            canceller.head_bytes = head_bytes;
        }
    }

    /// Gives what the operation held.
    pub(super) fn cancel(&mut self, handle: u32) -> u64 {
        let Some(Canceller { waiting, task, head_bytes }) = self.cancellers.remove(&handle) else { return 0 };
        waiting.abort();
        task.iter().for_each(task::AbortHandle::abort);
        head_bytes
    }

    async fn wait(&mut self) -> Option<(u32, Ended)> {
        let running = self.running.as_mut()?;
        loop {
            // One that was cancelled ends as `Aborted`, or in the moment of its end, and is passed over.
            if let Ok((handle, ended)) = running.next().await?
                && self.cancellers.remove(&handle).is_some()
            {
                return Some((handle, ended));
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
    let operations = &mut guest.data_mut().operations;
    let started = match serde_json::from_str(&text) {
        Ok(Operation::Sleep { ms }) => {
            let handle = operations.next_handle()?;
            let sleep = tokio::time::sleep(Duration::from_secs_f64(ms.clamp(0.0, SLEEP_MS_MAX) / 1000.0));
            operations.start(handle, None, sleep.map(|()| Ended::Slept));
            Ok(handle)
        }
        Err(error) => Err(refusal(&format!("the host does not know this operation: {error}"))),
    };
    charge_refusal(&mut guest, &started)?;
    Ok((started,))
}

/// `cancel: func(handle: u32)`; a handle that is unknown or has ended is none of anyone's business.
pub(super) fn cancel(mut guest: StoreContextMut<'_, GuestState>, (handle,): (u32,)) -> wasmtime::Result<()> {
    charge(&mut guest, 0, 0)?;
    let GuestState { operations, outside, .. } = guest.data_mut();
    let head_bytes = operations.cancel(handle);
    // Its body counts on: however fast a guest starts and cancels, no more bodies than may be are in memory.
    outside.sending = outside.sending.without(Sending { head_bytes, body_bytes: 0 });
    outside.bodies.close_read_by(handle);
    Ok(())
}

/// `wait: func() -> tuple<u32, result<string, string>>`
pub(super) async fn wait(mut guest: StoreContextMut<'_, GuestState>) -> wasmtime::Result<((u32, Result<String, String>),)> {
    charge(&mut guest, 0, 0)?;
    let (handle, ended) = guest.data_mut().operations.wait().await.ok_or(Fault::NothingToWaitFor)?;
    let answer = match ended {
        Ended::Slept => Ok(String::new()),
        Ended::Fetched { sent, response } => requests::answer(&mut guest, sent, response)?,
        Ended::BrokeOff { sent } => requests::broke_off(&mut guest, sent),
        Ended::Read { body, piece } => {
            let read = requests::unless_over(piece)?;
            let bodies = &mut guest.data_mut().outside.bodies;
            let piece_bytes = read.map(|read| bodies.give_back(body, handle, read));
            if piece_bytes.is_err() {
                bodies.give_back(body, handle, None);
            }
            burn(&mut guest, *piece_bytes.as_ref().unwrap_or(&0), requests::RECEIVED_BYTE_FUEL)?;
            piece_bytes.map(|bytes| bytes.to_string())
        }
    };
    let (Ok(text) | Err(text)) = &answer;
    burn(&mut guest, text.len(), BYTE_FUEL)?;
    Ok(((handle, answer),))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_never_given_twice() {
        let mut operations = Operations { handle_last: u32::MAX - 1, ..Operations::default() };

        assert_eq!(operations.next_handle(), Ok(u32::MAX));
        assert_eq!(operations.next_handle(), Err(Fault::Handles));
        assert_eq!(operations.next_handle(), Err(Fault::Handles));
    }
}
