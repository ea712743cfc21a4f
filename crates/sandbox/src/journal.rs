//! The journal of one call while it runs: what the guest is told is written down, or read off.
//!
//! A guest runs on one thread, and what it does follows from its memory and from what the host tells it. So the answers alone, in their
//! order, bring a second run to the very point that the first one came to; nothing is done outside until it is there.

mod suspension;
mod told;

use std::collections::BTreeMap;

use domain::{
    Digest, HostAnswer, HostCall, Journal, JournalEntry, JournalPins, OpenQuestion, Question, QuestionAnswer, QuestionKey,
    Receipt, Suspended,
};
use wasmtime::StoreContextMut;

pub(crate) use suspension::{resume, suspend, why_unsuspendable};
pub(crate) use told::{Told, Waited};

use crate::{InvokeError, Replay, budget::Reservation, host::Fault, state::GuestState};

/// What a journal takes of the node's memory at a time.
const PORTION_BYTES: u64 = 64 * 1024;

/// The journal of one call.
#[derive(Debug)]
pub(crate) struct Tape {
    pins: JournalPins,
    entries: Vec<JournalEntry>,
    /// Entries that the guest of this run was told, or that were written in it.
    told: usize,
    /// Present while the guest is on its way to where the last run ended.
    ahead: Option<Ahead>,
    /// Present when the guest has ended with a question.
    suspended: Option<Suspended>,
    used: Option<Receipt>,
    room: Room,
}

/// What comes when the guest is where the last run ended.
#[derive(Debug)]
pub(crate) struct Ahead {
    suspended: Suspended,
    answers: BTreeMap<QuestionKey, QuestionAnswer>,
}

/// The memory that a journal may have.
#[derive(Debug)]
struct Room {
    bytes: u64,
    bytes_max: u64,
    reserved: Reservation,
    /// Whether there was more to write down than there was room.
    is_full: bool,
}

impl Tape {
    pub(crate) fn new(
        pins: JournalPins,
        replay: Option<Replay>,
        bytes_max: u64,
        reserved: Reservation,
    ) -> Result<Self, InvokeError> {
        let bytes_max = bytes_max.min(Journal::BYTES_MAX);
        let mut room = Room { bytes: 0, bytes_max, reserved, is_full: false };
        let Some(Replay { journal, answers }) = replay else {
            return Ok(Self { pins, entries: Vec::new(), told: 0, ahead: None, suspended: None, used: None, room });
        };
        journal.check(&pins)?;
        room.bytes = journal.bytes();
        room.reserved.grow(room.bytes).map_err(|_| InvokeError::NodeMemory)?;
        let Journal { entries, suspended, used, .. } = journal;
        let ahead = Some(Ahead { suspended, answers });
        Ok(Self { pins, entries, told: 0, ahead, suspended: None, used: Some(used), room })
    }

    /// What earlier runs used.
    pub(crate) const fn used(&self) -> Option<&Receipt> {
        self.used.as_ref()
    }

    /// Whether the guest is still on its way to where the last run ended.
    pub(crate) const fn is_replaying(&self) -> bool {
        self.ahead.is_some()
    }

    /// Whether not all could be written down, so that no further run could be told the same.
    pub(crate) const fn is_full(&self) -> bool {
        self.room.is_full
    }

    /// Makes room for a question that is kept until the guest ends.
    pub(crate) fn hold(&mut self, question: &Question) {
        self.room.take(question.params().get().len() as u64);
    }

    /// Bytes that it can still take.
    fn bytes_left(&self) -> u64 {
        self.room.bytes_max.saturating_sub(self.room.bytes)
    }

    /// The questions with which the guest has ended.
    pub(crate) fn open_questions(&self) -> Vec<OpenQuestion> {
        self.suspended.as_ref().map(|suspended| suspended.questions.clone()).unwrap_or_default()
    }

    /// The journal of a guest that ended with a question; `used` is what all runs used.
    pub(crate) fn into_journal(self, used: Receipt) -> Option<Journal> {
        let Self { pins, entries, suspended, .. } = self;
        Some(Journal { pins, used, entries, suspended: suspended? })
    }

    /// What the guest was told when it asked this before, while it is replayed. The end of a replay is a `wait`, since there the last run ended.
    fn read(&mut self, call: HostCall, parameters: Option<Digest>) -> Result<Option<HostAnswer>, Fault> {
        if !self.is_replaying() {
            return Ok(None);
        }
        let Some(entry) = self.entries.get(self.told) else {
            return if call == HostCall::Wait { Ok(None) } else { Err(Fault::Diverged(call)) };
        };
        if entry.call != call || entry.parameters != parameters {
            return Err(Fault::Diverged(call));
        }
        self.told += 1;
        Ok(Some(entry.answer.clone()))
    }

    fn write(&mut self, call: HostCall, parameters: Option<Digest>, answer: HostAnswer) {
        let entry = JournalEntry { call, parameters, answer };
        if self.room.take(entry.bytes()) {
            self.entries.push(entry);
            self.told = self.entries.len();
        } else {
            // What cannot be told again as a whole is of no use.
            self.entries = Vec::new();
        }
    }
}

impl Room {
    fn take(&mut self, bytes: u64) -> bool {
        let needed = self.bytes.saturating_add(bytes);
        let missing = needed.saturating_sub(self.reserved.bytes());
        let fits = !self.is_full
            && needed <= self.bytes_max
            && (missing == 0 || self.reserved.grow(missing.next_multiple_of(PORTION_BYTES)).is_ok());
        self.bytes = needed;
        self.is_full = !fits;
        fits
    }
}

/// What the guest is told: what `live` gives, which is written down where the call is recorded; or what was written down before, and then
/// `live` is not run. `parameters` says with what the guest asks; it is made only where it is needed.
pub(crate) fn tell<'s, T: Told>(
    guest: &mut StoreContextMut<'s, GuestState>,
    call: HostCall,
    parameters: impl FnOnce(&StoreContextMut<'s, GuestState>) -> Option<Digest>,
    live: impl FnOnce(&mut StoreContextMut<'s, GuestState>) -> wasmtime::Result<T>,
) -> wasmtime::Result<T> {
    if guest.data().tape.is_none() {
        return live(guest);
    }
    let parameters = parameters(guest);
    if let Some(tape) = &mut guest.data_mut().tape
        && let Some(answer) = tape.read(call, parameters)?
    {
        return T::of_answer(answer).ok_or_else(|| Fault::Diverged(call).into());
    }
    let told = live(guest)?;
    if let Some(tape) = &mut guest.data_mut().tape
        && !tape.is_full()
    {
        tape.write(call, parameters, told.to_answer());
    }
    Ok(told)
}

/// As [`tell`], for what the guest is told when it waits: nothing where it must be waited for.
pub(crate) fn read_wait(guest: &mut StoreContextMut<'_, GuestState>) -> Result<Option<Waited>, Fault> {
    let Some(tape) = &mut guest.data_mut().tape else { return Ok(None) };
    let Some(answer) = tape.read(HostCall::Wait, None)? else { return Ok(None) };
    Told::of_answer(answer).map(Some).ok_or(Fault::Diverged(HostCall::Wait))
}

/// Writes down what the guest is told when it has waited.
pub(crate) fn write_wait(guest: &mut StoreContextMut<'_, GuestState>, told: &Waited) {
    if let Some(tape) = &mut guest.data_mut().tape
        && !tape.is_full()
    {
        tape.write(HostCall::Wait, None, told.to_answer());
    }
}

/// Of texts and bytes with which a guest asks.
pub(crate) fn parameters<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Digest {
    Digest::of_parts(parts)
}

/// Of a number with which a guest asks.
pub(crate) fn number(number: u32) -> Digest {
    Digest::of(&number.to_le_bytes())
}
