//! Finds any of many texts in one pass.

use aho_corasick::{
    Anchored,
    automaton::{Automaton, StateID},
    nfa::contiguous::NFA,
};
use zeroize::Zeroizing;

use super::super::encodings::encodings;

/// All needles of a version together; each byte costs some 24 bytes of memory. Values themselves always have room (16 of 8 KiB), and all
/// encodings of all secrets that are shorter than about 1 KiB; of longer ones the rarer encodings go first.
const NEEDLE_BYTES_MAX: usize = 192 << 10;

/// The encoded values of secrets. Case is not told apart.
pub(super) struct Needles {
    automaton: NFA,
    start: StateID,
    /// Which state stands for how many bytes of the beginning of a needle, by state.
    depths: Vec<(u32, u32)>,
}

/// How far a text was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position(StateID);

impl Needles {
    /// `None` if there is nothing to be found.
    pub(super) fn of_values(values: &[&str]) -> Option<Self> {
        let needles = choose(values);
        let automaton = NFA::builder().prefilter(false).build(needles.iter().map(|needle| needle.as_slice())).ok()?;
        let start = automaton.start_state(Anchored::No).ok()?;
        let mut depths = Vec::with_capacity(needles.iter().map(|needle| needle.len()).sum());
        for needle in &needles {
            let mut state = start;
            for (byte, depth) in needle.iter().zip(1..) {
                // From the start the automaton follows a needle to its end without a step aside.
                state = automaton.next_state(Anchored::No, state, *byte);
                depths.push((state.as_u32(), depth));
            }
        }
        depths.sort_unstable();
        depths.dedup();
        (!needles.is_empty()).then_some(Self { automaton, start, depths })
    }

    pub(super) const fn start(&self) -> Position {
        Position(self.start)
    }

    /// Reads one byte; the length of the longest needle that ends with it, if any does.
    pub(super) fn step(&self, position: &mut Position, byte: u8) -> Option<usize> {
        let state = self.automaton.next_state(Anchored::No, position.0, byte.to_ascii_lowercase());
        position.0 = state;
        if !self.automaton.is_special(state) || !self.automaton.is_match(state) {
            return None;
        }
        let lengths =
            (0..self.automaton.match_len(state)).map(|at| self.automaton.pattern_len(self.automaton.match_pattern(state, at)));
        lengths.max()
    }

    /// How many of the bytes that were read last could be the beginning of a needle.
    pub(super) fn depth(&self, position: Position) -> usize {
        let state = position.0.as_u32();
        let found = self.depths.binary_search_by_key(&state, |(state, _)| *state);
        found.ok().and_then(|at| self.depths.get(at)).map_or(0, |(_, depth)| *depth as usize)
    }

    /// Whether `bytes` holds any.
    pub(super) fn stand_in(&self, bytes: &[u8]) -> bool {
        let mut position = self.start();
        bytes.iter().any(|byte| self.step(&mut position, *byte).is_some())
    }
}

/// The likeliest encodings of all values first, as far as there is room.
fn choose(values: &[&str]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut by_value: Vec<_> = values.iter().map(|value| encodings(value).into_iter()).collect();
    let mut needles: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    let mut room = NEEDLE_BYTES_MAX;
    loop {
        let round: Vec<_> = by_value.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            return needles;
        }
        for mut needle in round {
            needle.make_ascii_lowercase();
            if needle.len() <= room && !needles.contains(&needle) {
                room -= needle.len();
                needles.push(needle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needles_have_a_bounded_size_and_values_always_have_room() {
        let values: Vec<String> = (0..16).map(|number| format!("{number:02}\"/&") + &"x\n".repeat(4093)).collect();
        let needles = choose(&values.iter().map(String::as_str).collect::<Vec<_>>());

        assert!(needles.iter().map(|needle| needle.len()).sum::<usize>() <= NEEDLE_BYTES_MAX);
        assert!(values.iter().all(|value| needles.iter().any(|needle| needle.as_slice() == value.as_bytes())));
    }

    #[test]
    fn a_short_value_is_looked_for_in_all_encodings_beside_long_ones() {
        let long = "l".repeat(3000);
        let needles = choose(&[&long, "s3cret/value"]);

        assert!(needles.len() >= encodings("s3cret/value").len());
        assert!(Needles::of_values(&[]).is_none() && Needles::of_values(&[""]).is_none());
    }

    #[test]
    fn the_depth_is_the_longest_beginning_of_any_needle() {
        let needles = Needles::of_values(&["abcde", "bcdx"]).unwrap();
        let mut position = needles.start();
        let depths: Vec<usize> = b"abcdx-bcab"
            .iter()
            .map(|byte| {
                needles.step(&mut position, *byte);
                needles.depth(position)
            })
            .collect();

        assert_eq!(depths, [1, 2, 3, 4, 4, 0, 1, 2, 1, 2]);
    }
}
