//! Takes the values of secrets out of whatever comes back.

mod needles;

use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use domain::EnvName;
use secrecy::ExposeSecret;

use self::needles::{Needles, Position};
use crate::GrantedSecret;

/// What stands for a value.
const MASK: &[u8] = b"***";

/// Finds the values of a version's secrets, in all their encodings.
pub(crate) struct Masker {
    needles: Needles,
}

impl Masker {
    /// `None` without secrets, or with empty ones only.
    pub(crate) fn of_secrets(secrets: &BTreeMap<EnvName, GrantedSecret>) -> Option<Self> {
        Self::of_values(&secrets.values().map(|secret| secret.value.expose_secret()).collect::<Vec<_>>())
    }

    fn of_values(values: &[&str]) -> Option<Self> {
        Needles::of_values(values).map(|needles| Self { needles })
    }

    /// Whether `bytes` holds a value.
    pub(crate) fn finds_any(&self, bytes: &[u8]) -> bool {
        self.needles.stand_in(bytes)
    }

    /// `bytes` without values.
    pub(crate) fn mask<'t>(self: &Arc<Self>, bytes: &'t [u8]) -> Cow<'t, [u8]> {
        if !self.needles.stand_in(bytes) {
            return Cow::Borrowed(bytes);
        }
        let mut stream = MaskedStream::new(Arc::clone(self));
        let mut masked = Vec::from(stream.push(Bytes::copy_from_slice(bytes)));
        masked.extend_from_slice(&stream.finish());
        Cow::Owned(masked)
    }

    /// `text` without values.
    pub(crate) fn mask_text<'t>(self: &Arc<Self>, text: &'t str) -> Cow<'t, str> {
        match self.mask(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(masked) => Cow::Owned(String::from_utf8_lossy(&masked).into_owned()),
        }
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Masker").finish_non_exhaustive()
    }
}

/// A body that goes by in pieces: what could be the beginning of a value is held back until the next piece tells. What it gives out is the
/// same however the body is cut, and the work is in proportion to the body's length, whatever is in it.
#[derive(Debug)]
pub(crate) struct MaskedStream {
    masker: Arc<Masker>,
    position: Position,
    held: Vec<u8>,
    /// Where values stand in `held`, in order and apart from each other: those that overlap are one, so that of two secrets that share some
    /// bytes neither is seen in part.
    found: Vec<Found>,
}

#[derive(Debug)]
struct Found {
    range: Range<usize>,
    /// Its mask was given out, together with what it began with.
    is_given: bool,
}

impl MaskedStream {
    pub(crate) fn new(masker: Arc<Masker>) -> Self {
        let position = masker.needles.start();
        Self { masker, position, held: Vec::new(), found: Vec::new() }
    }

    /// What is certain after `piece`; may be empty.
    pub(crate) fn push(&mut self, piece: Bytes) -> Bytes {
        let before = self.held.len();
        for (at, byte) in piece.iter().enumerate() {
            if let Some(length) = self.masker.needles.step(&mut self.position, *byte) {
                let end = before + at + 1;
                self.add(end.saturating_sub(length)..end);
            }
        }
        let undecided = self.masker.needles.depth(self.position);
        if undecided == 0 && self.found.is_empty() && self.held.is_empty() {
            return piece;
        }
        self.held.extend_from_slice(&piece);
        self.give(self.held.len().saturating_sub(undecided))
    }

    /// The rest.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.position = self.masker.needles.start();
        self.give(self.held.len())
    }

    /// Values come in the order of their ends.
    fn add(&mut self, mut range: Range<usize>) {
        let mut is_given = false;
        while let Some(last) = self.found.pop_if(|last| range.start < last.range.end) {
            range.start = range.start.min(last.range.start);
            is_given |= last.is_given;
        }
        self.found.push(Found { range, is_given });
    }

    fn give(&mut self, certain: usize) -> Bytes {
        let mut given = Vec::with_capacity(certain);
        let mut end = 0;
        for found in &mut self.found {
            if found.range.start >= certain && !found.is_given {
                break;
            }
            given.extend_from_slice(self.held.get(end..found.range.start).unwrap_or_default());
            if !found.is_given {
                given.extend_from_slice(MASK);
            }
            found.is_given = true;
            end = found.range.end;
        }
        given.extend_from_slice(self.held.get(end..certain).unwrap_or_default());
        self.held.drain(..certain);
        self.found.retain_mut(|found| {
            found.range = found.range.start.saturating_sub(certain)..found.range.end.saturating_sub(certain);
            !found.range.is_empty()
        });
        given.into()
    }
}

#[cfg(test)]
mod tests;
