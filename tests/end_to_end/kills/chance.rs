//! Chance that can be had again.

use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

use domain::Digest;

/// What a test is made of that begins with the same seed.
#[derive(Debug)]
pub(super) struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    pub(super) const fn of(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// A number of the range, which is not empty.
    pub(super) fn within(&mut self, range: Range<u64>) -> u64 {
        self.drawn += 1;
        let digest = Digest::of(format!("{} {}", self.seed, self.drawn).as_bytes());
        let number = u64::from_be_bytes(*digest.as_bytes().first_chunk().unwrap());
        range.start + number % (range.end - range.start)
    }

    /// A span of so many milliseconds.
    pub(super) fn ms(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    /// Whether the one of `of` came.
    pub(super) fn one_of(&mut self, of: u64) -> bool {
        self.within(0..of) == 0
    }

    /// A place of a list that is not empty.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.within(0..length as u64)).unwrap()
    }

    /// Another chance, that goes on by itself.
    pub(super) fn branch(&mut self) -> Self {
        Self::of(self.within(0..u64::MAX))
    }
}

/// What chance begins with: the one that is asked for, or one of this moment.
#[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
pub(super) fn seed() -> u64 {
    match std::env::var("TOOLWRIGHT_TEST_SEED") {
        Ok(seed) => seed.parse().expect("TOOLWRIGHT_TEST_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(),
    }
}
