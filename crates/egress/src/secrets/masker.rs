//! Takes the values of secrets out of whatever comes back.

use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Range, sync::Arc};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use bytes::Bytes;
use domain::EnvName;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::encodings::encodings;
use crate::GrantedSecret;

/// What stands for a value.
const MASK: &[u8] = b"***";

/// Finds the values of a version's secrets, in all their encodings.
pub(crate) struct Masker {
    finder: AhoCorasick,
    /// In lower case and sorted, so that the beginnings of needles are found by halves.
    needles: Vec<Zeroizing<Vec<u8>>>,
    needle_bytes_max: usize,
    /// Which bytes a needle starts with.
    starts: [bool; 256],
}

impl Masker {
    /// `None` without secrets, or with empty ones only.
    pub(crate) fn of_secrets(secrets: &BTreeMap<EnvName, GrantedSecret>) -> Option<Self> {
        Self::of_values(secrets.values().map(|secret| secret.value.expose_secret()))
    }

    fn of_values<'v>(values: impl Iterator<Item = &'v str>) -> Option<Self> {
        let mut needles: Vec<_> = values.flat_map(encodings).collect();
        for needle in &mut needles {
            needle.make_ascii_lowercase();
        }
        needles.sort_by(|one, two| one.as_slice().cmp(two.as_slice()));
        needles.dedup();
        let needle_bytes_max = needles.iter().map(|needle| needle.len()).max()?;
        let mut starts = [false; 256];
        for first in needles.iter().filter_map(|needle| needle.first()) {
            if let Some(start) = starts.get_mut(usize::from(*first)) {
                *start = true;
            }
            if let Some(start) = starts.get_mut(usize::from(first.to_ascii_uppercase())) {
                *start = true;
            }
        }
        // The small form: these live as long as a version is served, and there are many versions.
        let finder = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .ascii_case_insensitive(true)
            .build(needles.iter().map(|needle| needle.as_slice()))
            .ok()?;
        Some(Self { finder, needles, needle_bytes_max, starts })
    }

    /// `bytes` without values.
    pub(crate) fn mask<'t>(&self, bytes: &'t [u8]) -> Cow<'t, [u8]> {
        if !self.finder.is_match(bytes) {
            return Cow::Borrowed(bytes);
        }
        let mut masked = Vec::with_capacity(bytes.len());
        let mut end = 0;
        for range in self.ranges(bytes, 0) {
            masked.extend_from_slice(bytes.get(end..range.start).unwrap_or_default());
            masked.extend_from_slice(MASK);
            end = range.end;
        }
        masked.extend_from_slice(bytes.get(end..).unwrap_or_default());
        Cow::Owned(masked)
    }

    /// `text` without values.
    pub(crate) fn mask_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.mask(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(masked) => Cow::Owned(String::from_utf8_lossy(&masked).into_owned()),
        }
    }

    /// Where values stand, with those that overlap made one: of two secrets that share some bytes, neither is seen in part. The first
    /// `masked` bytes belong to a value already.
    fn ranges(&self, bytes: &[u8], masked: usize) -> Vec<Range<usize>> {
        let mut found: Vec<_> = self.finder.find_overlapping_iter(bytes).map(|found| found.range()).collect();
        if masked > 0 {
            found.push(0..masked);
        }
        found.sort_unstable_by_key(|range| range.start);
        let mut joined: Vec<Range<usize>> = Vec::new();
        for range in found {
            match joined.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        joined
    }

    /// Where the longest end of `bytes` starts that could be the beginning of a value.
    fn undecided(&self, bytes: &[u8]) -> usize {
        let first = (bytes.len() + 1).saturating_sub(self.needle_bytes_max);
        (first..bytes.len()).find(|start| self.begins_a_needle(bytes.get(*start..).unwrap_or_default())).unwrap_or(bytes.len())
    }

    fn begins_a_needle(&self, end: &[u8]) -> bool {
        if !end.first().is_some_and(|byte| self.starts.get(usize::from(*byte)).is_some_and(|starts| *starts)) {
            return false;
        }
        let lower = |byte: &u8| byte.to_ascii_lowercase();
        // The first needle that is not below `end`: if any begins with it, this one does; one that is equal is no beginning but a whole.
        let at = self.needles.partition_point(|needle| needle.iter().copied().lt(end.iter().map(lower)));
        let longer = self
            .needles
            .iter()
            .skip(at)
            .find(|needle| needle.len() != end.len() || !needle.iter().copied().eq(end.iter().map(lower)));
        longer.is_some_and(|needle| needle.len() > end.len() && needle.iter().zip(end).all(|(a, b)| *a == lower(b)))
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Masker").field("needles", &self.needles.len()).finish_non_exhaustive()
    }
}

/// A body that goes by in pieces: what could be the beginning of a value is held back until the next piece tells. What it gives out is the
/// same however the body is cut.
#[derive(Debug)]
pub(crate) struct MaskedStream {
    masker: Arc<Masker>,
    held: Vec<u8>,
    /// How many of the first bytes of `held` belong to a value whose mask was given out.
    masked: usize,
}

impl MaskedStream {
    pub(crate) const fn new(masker: Arc<Masker>) -> Self {
        Self { masker, held: Vec::new(), masked: 0 }
    }

    /// What is certain after `piece`; may be empty.
    pub(crate) fn push(&mut self, piece: Bytes) -> Bytes {
        if self.held.is_empty() && !self.masker.finder.is_match(&piece) && self.masker.undecided(&piece) == piece.len() {
            return piece;
        }
        self.held.extend_from_slice(&piece);
        let certain = self.masker.undecided(&self.held);
        self.give(certain)
    }

    /// The rest.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.give(self.held.len())
    }

    fn give(&mut self, certain: usize) -> Bytes {
        let mut given = Vec::with_capacity(certain);
        let mut end = 0;
        for range in self.masker.ranges(&self.held, self.masked) {
            let is_given = range.start == 0 && self.masked > 0;
            if range.start >= certain && !is_given {
                break;
            }
            given.extend_from_slice(self.held.get(end..range.start).unwrap_or_default());
            if !is_given {
                given.extend_from_slice(MASK);
            }
            end = range.end;
        }
        if end < certain {
            given.extend_from_slice(self.held.get(end..certain).unwrap_or_default());
        }
        self.masked = end.saturating_sub(certain);
        self.held.drain(..certain);
        given.into()
    }
}

#[cfg(test)]
mod tests;
