//! Changes of seeds, the same in every run.

/// What is done to an input at one time, at most.
const STEPS_MAX: u64 = 6;
/// Bytes that are moved, doubled or taken out at one time, at most.
const PIECE_BYTES_MAX: usize = 64;

/// Makes inputs of seeds.
pub(crate) struct Mutator {
    state: u64,
    words: &'static [&'static str],
    bytes_max: usize,
}

impl Mutator {
    pub(crate) const fn new(words: &'static [&'static str], bytes_max: usize) -> Self {
        Self { state: 0x5eed, words, bytes_max }
    }

    /// One of the seeds, changed in one place or some.
    pub(crate) fn change(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.pick(seeds).clone();
        for _ in 0..=self.below(STEPS_MAX) {
            self.step(&mut input, seeds);
        }
        input.truncate(self.bytes_max);
        input
    }

    fn step(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let place = self.place(input.len() + 1);
        match self.below(10) {
            0 => self.with_byte(input, |byte, random| byte ^ (1 << (random % 8))),
            1 => self.with_byte(input, |_, random| random.to_le_bytes()[0]),
            2 => self.with_byte(input, |byte, random| byte.wrapping_add((random % 7) as u8).wrapping_sub(3)),
            3 => drop(input.drain(self.piece(input.len()))),
            4 | 5 => {
                let word = self.pick(self.words);
                input.splice(place..place, word.bytes());
            }
            6 => {
                let piece = input[self.piece(input.len())].to_vec();
                input.splice(place..place, piece);
            }
            7 => {
                let piece = input[self.piece(input.len())].to_vec();
                let many = piece.repeat(self.place(1_000));
                input.splice(place..place, many.into_iter().take(self.bytes_max));
            }
            8 => {
                let other = self.pick(seeds);
                let piece = self.piece(other.len());
                input.splice(place..place, other[piece].to_vec());
            }
            _ => {
                let other = self.pick(seeds);
                let from = self.place(other.len() + 1);
                input.truncate(place);
                input.extend_from_slice(&other[from..]);
            }
        }
    }

    fn with_byte(&mut self, input: &mut [u8], change: impl FnOnce(u8, u64) -> u8) {
        let place = self.place(input.len());
        let random = self.next();
        if let Some(byte) = input.get_mut(place) {
            *byte = change(*byte, random);
        }
    }

    fn piece(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.place(length + 1);
        let bytes = self.place(PIECE_BYTES_MAX.min(length - from) + 1);
        from..from + bytes
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.place(all.len())]
    }

    /// Below `end`; 0 if that is 0.
    fn place(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end.max(1) as u64)).unwrap()
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Splitmix64: what chance is made of does not matter here, as long as it is the same everywhere.
    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
