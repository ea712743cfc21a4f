//! Operations that take time. A guest starts any number of them and waits for whichever ends first.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bytes::Bytes;
use domain::{HostCall, OpenQuestion, Question, QuestionAnswer, SuspendedSleep};
use egress::{FetchError, FetchResponse, Outbound};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{self, AbortHandle, Abortable, BoxFuture},
    stream::FuturesUnordered,
};
use serde::Deserialize;
use tokio::{task, time::Instant};
use wasmtime::{StoreContextMut, component::WasmStr};

use super::{
    BYTE_FUEL, Fault, bodies::Rest, burn, charge, charge_refusal, count, questions, questions::Ask, refusal, requests, take_text,
};
use crate::{journal, outside::Sending, state::GuestState};

/// Bytes of one operation's JSON: a question, and what stands around it.
const OPERATION_BYTES_MAX: usize = Question::BYTES_MAX + 1024;
/// The longest sleep: no tier lets a call run for a day.
const SLEEP_MS_MAX: f64 = 86_400_000.0;

/// What a guest may ask for by `start`.
#[derive(Debug)]
enum Operation<'a> {
    /// Ends after a time, with an empty text.
    Sleep(Sleep<'a>),
    /// Ends with the client's answer.
    Ask(Ask<'a>),
}

/// What an operation says of itself. The rest is read when it is known what it is: a tree of a question takes many times its text.
#[derive(Debug, Deserialize)]
struct Named {
    op: Name,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Name {
    Sleep,
    Ask,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sleep<'a> {
    #[serde(rename = "op")]
    _op: &'a str,
    ms: f64,
}

/// An answer, with what of its body came at once.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) response: FetchResponse,
    pub(super) begun: Option<Bytes>,
}

/// How an operation ended.
#[derive(Debug)]
pub(super) enum Ended {
    Slept,
    /// A request, which held `sent`.
    Fetched {
        sent: Sending,
        response: Result<Box<Fetched>, FetchError>,
    },
    /// A request whose task broke off: a fault of ours.
    BrokeOff {
        sent: Sending,
    },
    /// A body, of which a piece and the rest came back; nothing at its end.
    Read {
        body: u32,
        piece: Result<Result<Option<(Bytes, Rest)>, String>, FetchError>,
    },
    /// A question, with its answer as JSON, or why there is none.
    Answered(Result<String, String>),
}

/// What an operation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Something that the host does.
    Work,
    /// A moment.
    Sleep { until: Instant },
    /// The client.
    Question,
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
    sort: Sort,
}

/// The operations of one guest that are under way. They end with it.
#[derive(Default)]
pub(crate) struct Operations {
    /// Absent until the first operation: most calls have none.
    running: Option<FuturesUnordered<Running>>,
    cancellers: HashMap<u32, Canceller>,
    /// Questions that wait for a further run of the guest.
    questions: BTreeMap<u32, OpenQuestion>,
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
        self.start_as(Sort::Work, handle, task, work);
    }

    fn start_as(
        &mut self,
        sort: Sort,
        handle: u32,
        task: Option<task::AbortHandle>,
        work: impl Future<Output = Ended> + Send + 'static,
    ) {
        let (waiting, registration) = AbortHandle::new_pair();
        self.cancellers.insert(handle, Canceller { waiting, task, head_bytes: 0, sort });
        let work = work.map(move |ended| (handle, ended)).boxed();
        self.running.get_or_insert_default().push(Abortable::new(work, registration));
    }

    /// Sleeps.
    pub(crate) fn sleep(&mut self, handle: u32, duration: Duration) {
        let sleep = tokio::time::sleep(duration);
        self.start_as(Sort::Sleep { until: sleep.deadline() }, handle, None, sleep.map(|()| Ended::Slept));
    }

    /// Waits for the answer of a question that was passed on.
    pub(super) fn ask(&mut self, handle: u32, answer: impl Future<Output = Result<String, String>> + Send + 'static) {
        self.start_as(Sort::Question, handle, None, answer.map(Ended::Answered));
    }

    /// Keeps a question until the guest waits for nothing else. It is not answered in this run.
    pub(crate) fn keep(&mut self, open: OpenQuestion) {
        self.start_as(Sort::Question, open.operation, None, future::pending());
        self.questions.insert(open.operation, open);
    }

    /// Tells the guest its client's answer when it waits next.
    pub(crate) fn answer(&mut self, handle: u32, answer: &QuestionAnswer) {
        self.start(handle, None, future::ready(Ended::Answered(Ok(answer.json().get().to_owned()))));
    }

    /// Tells the guest when it waits next why its question has no answer.
    pub(super) fn refuse(&mut self, handle: u32, reason: String) {
        self.start(handle, None, future::ready(Ended::Answered(Err(reason))));
    }

    /// As [`Operations::refuse`], for all questions that are kept.
    pub(crate) fn fail_questions(&mut self, reason: &str) {
        for handle in std::mem::take(&mut self.questions).into_keys() {
            self.cancel(handle);
            self.refuse(handle, reason.to_owned());
        }
    }

    /// The questions that are kept, in the order in which they were asked.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &OpenQuestion> {
        self.questions.values()
    }

    /// The sleeps that are under way.
    pub(crate) fn sleeps(&self) -> Vec<SuspendedSleep> {
        let now = Instant::now();
        let sleeping = self.cancellers.iter().filter_map(|(operation, canceller)| {
            let Sort::Sleep { until } = canceller.sort else { return None };
            let left = until.saturating_duration_since(now);
            Some(SuspendedSleep { operation: *operation, left_us: u64::try_from(left.as_micros()).unwrap_or(u64::MAX) })
        });
        let mut sleeping: Vec<_> = sleeping.collect();
        sleeping.sort_unstable_by_key(|sleep| sleep.operation);
        sleeping
    }

    pub(crate) const fn handle_last(&self) -> u32 {
        self.handle_last
    }

    /// Gives out handles from where an earlier run ended.
    pub(crate) fn go_on_from(&mut self, handle_last: u32) {
        self.handle_last = handle_last;
    }

    /// Whether the client is waited for, and beside it nothing but moments.
    fn wait_for_client_alone(&self) -> bool {
        let is_question = |canceller: &Canceller| canceller.sort == Sort::Question;
        self.cancellers.values().any(is_question) && self.cancellers.values().all(|canceller| canceller.sort != Sort::Work)
    }

    /// Keeps in mind what is given back if the operation is cancelled.
    pub(super) fn hold(&mut self, handle: u32, head_bytes: u64) {
        if let Some(canceller) = self.cancellers.get_mut(&handle) {
            canceller.head_bytes = head_bytes;
        }
    }

    /// Gives what the operation held.
    pub(super) fn cancel(&mut self, handle: u32) -> u64 {
        let Some(Canceller { waiting, task, head_bytes, .. }) = self.cancellers.remove(&handle) else { return 0 };
        self.questions.remove(&handle);
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
    let parameters = |_: &_| Some(journal::parameters([text.as_bytes()]));
    let is_replayed = guest.data().is_replaying();
    let started = journal::tell(&mut guest, HostCall::Start, parameters, |guest| Ok(begin(guest, &text)?))?;
    if is_replayed && started.is_ok() && matches!(serde_json::from_str(&text), Ok(Named { op: Name::Ask })) {
        guest.data_mut().client.count();
    }
    charge_refusal(&mut guest, &started)?;
    Ok((started,))
}

fn begin(guest: &mut StoreContextMut<'_, GuestState>, text: &str) -> Result<Result<u32, String>, Fault> {
    let read = match serde_json::from_str(text) {
        Ok(Named { op: Name::Ask }) => serde_json::from_str(text).map(Operation::Ask),
        Ok(Named { op: Name::Sleep }) => serde_json::from_str(text).map(Operation::Sleep),
        Err(error) => Err(error),
    };
    match read {
        Ok(Operation::Ask(ask)) => questions::ask(guest, &ask),
        Ok(Operation::Sleep(Sleep { ms, .. })) => {
            let operations = &mut guest.data_mut().operations;
            let handle = operations.next_handle()?;
            operations.sleep(handle, Duration::from_secs_f64(ms.clamp(0.0, SLEEP_MS_MAX) / 1000.0));
            Ok(Ok(handle))
        }
        Err(error) => Ok(Err(refusal(&format!("the host does not know this operation: {error}")))),
    }
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
    let told = if let Some(told) = journal::read_wait(&mut guest)? {
        told
    } else {
        journal::resume(&mut guest);
        let (handle, ended) = next(&mut guest).await?;
        let told = (handle, tell(&mut guest, handle, ended)?);
        journal::write_wait(&mut guest, &told);
        told
    };
    let (Ok(text) | Err(text)) = &told.1;
    burn(&mut guest, text.len(), BYTE_FUEL)?;
    Ok((told,))
}

/// The operation that ends next.
async fn next(guest: &mut StoreContextMut<'_, GuestState>) -> Result<(u32, Ended), Fault> {
    if guest.data().operations.wait_for_client_alone() {
        if !guest.data().client.is_recorded() {
            return wait_for_client(guest).await;
        }
        journal::suspend(guest).await?;
    }
    guest.data_mut().operations.wait().await.ok_or(Fault::NothingToWaitFor)
}

/// Waits while the call's clock stands still.
async fn wait_for_client(guest: &mut StoreContextMut<'_, GuestState>) -> Result<(u32, Ended), Fault> {
    let GuestState { operations, outside, wall, .. } = guest.data_mut();
    let pause = wall.pause();
    let ended = operations.wait().await;
    let stood_still = pause.end();
    outside.outbound.iter().for_each(|outbound: &Outbound| outbound.put_off_deadline(stood_still));
    ended.ok_or(Fault::NothingToWaitFor)
}

/// What the guest is told of an operation that has ended.
fn tell(guest: &mut StoreContextMut<'_, GuestState>, handle: u32, ended: Ended) -> wasmtime::Result<Result<String, String>> {
    Ok(match ended {
        Ended::Slept => Ok(String::new()),
        Ended::Answered(answer) => answer,
        Ended::Fetched { sent, response } => requests::answer(guest, handle, sent, response)?,
        Ended::BrokeOff { sent } => requests::broke_off(guest, sent),
        Ended::Read { body, piece } => {
            let read = requests::unless_over(piece)?.and_then(|read| read);
            let bodies = &mut guest.data_mut().outside.bodies;
            let told = read.map(|read| bodies.give_back(body, handle, read));
            if told.is_err() {
                bodies.give_back(body, handle, None);
            }
            burn(guest, told.as_ref().map_or(0, |(_, bytes)| *bytes), requests::RECEIVED_BYTE_FUEL)?;
            told.map(|(told, _)| told.to_owned())
        }
    })
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
