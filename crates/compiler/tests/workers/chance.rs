//! Chance that is the same at each run.

/// Numbers by xorshift64.
pub(super) struct Chance(u64);

impl Chance {
    /// `seed` is not 0.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}
