//! The 32-bit Mersenne Twister.

use std::fmt;

use super::Source;

/// MT19937, seeded and read as AvalancheGo does it through gonum's `prng.MT19937`.
///
/// Of the 64-bit seed only the low 32 bits count, and a 64-bit number is two 32-bit ones, the high
/// half first. It selects proposers before Durango and is the generator of the recorded sampler
/// traces. Its outputs can be predicted by whoever has seen 624 of them: it is for rules that
/// everybody must be able to repeat, never for secrets.
///
/// ```
/// use avalanche_consensus::sampler::{Mt19937, Source};
///
/// let (mut a, mut b) = (Mt19937::new(5), Mt19937::new(5 + (1 << 32)));
/// assert_eq!(a.next_u64(), b.next_u64());
/// ```
#[derive(Clone)]
pub struct Mt19937 {
    state: [u32; WORDS],
    /// The word that the next number comes from, below `WORDS`.
    at: usize,
}

impl Mt19937 {
    /// Starts a generator. Seeds with equal low halves give equal numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let [b0, b1, b2, b3, ..] = seed.to_le_bytes();
        let mut word = u32::from_le_bytes([b0, b1, b2, b3]);
        let mut state = [word; WORDS];
        for (index, slot) in (1_u32..).zip(state.iter_mut().skip(1)) {
            word = 1_812_433_253_u32.wrapping_mul(word ^ (word >> 30)).wrapping_add(index);
            *slot = word;
        }
        Self { state, at: 0 }
    }

    /// The next 32-bit number. Words are renewed one at a time, as they are needed.
    fn next_u32(&mut self) -> u32 {
        let at = self.at;
        self.at = (at + 1) % WORDS;
        let joined = self.word(at) & UPPER | self.word(at + 1) & !UPPER;
        let twist = if joined & 1 == 0 { 0 } else { 0x9908_b0df };
        let mut y = self.word(at + SHIFT) ^ (joined >> 1) ^ twist;
        if let Some(slot) = self.state.get_mut(at) {
            *slot = y;
        }
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is below the length")]
    fn word(&self, at: usize) -> u32 {
        self.state[at % WORDS]
    }
}

impl Source for Mt19937 {
    fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.next_u32());
        high << 32 | u64::from(self.next_u32())
    }
}

impl fmt::Debug for Mt19937 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mt19937").field("at", &self.at).finish_non_exhaustive()
    }
}

const WORDS: usize = 624;
const SHIFT: usize = 397;
const UPPER: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    /// The C++ standard, [rand.predef], names this number.
    #[test]
    fn the_ten_thousandth_number_is_the_published_one() {
        let mut generator = Mt19937::new(5489);
        let last = (0..10_000).map(|_| generator.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn the_high_half_comes_first() {
        let (mut halves, mut whole) = (Mt19937::new(9), Mt19937::new(9));
        let (high, low) = (u64::from(halves.next_u32()), u64::from(halves.next_u32()));
        assert_eq!(whole.next_u64(), high << 32 | low);
    }
}
