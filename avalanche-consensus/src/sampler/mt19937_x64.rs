//! The 64-bit Mersenne Twister.

use std::fmt;

use super::Source;

/// MT19937-64, the generator of gonum's `prng.MT19937_64`: the whole 64-bit seed counts.
///
/// AvalancheGo selects the proposer of a slot with it since Durango (`vms/proposervm/proposer`).
/// Its outputs can be predicted by whoever has seen 312 of them: it is for rules that everybody
/// must be able to repeat, never for secrets.
///
/// ```
/// use avalanche_consensus::sampler::{Mt19937x64, Source};
///
/// assert_eq!(Mt19937x64::new(5489).next_u64(), 14_514_284_786_278_117_030);
/// ```
#[derive(Clone)]
pub struct Mt19937x64 {
    state: [u64; WORDS],
    /// The word that the next number comes from, below `WORDS`.
    at: usize,
}

impl Mt19937x64 {
    /// Starts a generator.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut word = seed;
        let mut state = [word; WORDS];
        for (index, slot) in (1_u64..).zip(state.iter_mut().skip(1)) {
            word =
                6_364_136_223_846_793_005_u64.wrapping_mul(word ^ (word >> 62)).wrapping_add(index);
            *slot = word;
        }
        Self { state, at: 0 }
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is below the length")]
    fn word(&self, at: usize) -> u64 {
        self.state[at % WORDS]
    }
}

impl Source for Mt19937x64 {
    /// Words are renewed one at a time, as they are needed.
    fn next_u64(&mut self) -> u64 {
        let at = self.at;
        self.at = (at + 1) % WORDS;
        let joined = self.word(at) & UPPER | self.word(at + 1) & !UPPER;
        let twist = if joined & 1 == 0 { 0 } else { 0xb502_6f5a_a966_19e9 };
        let mut y = self.word(at + SHIFT) ^ (joined >> 1) ^ twist;
        if let Some(slot) = self.state.get_mut(at) {
            *slot = y;
        }
        y ^= (y >> 29) & 0x5555_5555_5555_5555;
        y ^= (y << 17) & 0x71d6_7fff_eda6_0000;
        y ^= (y << 37) & 0xfff7_eee0_0000_0000;
        y ^ (y >> 43)
    }
}

impl fmt::Debug for Mt19937x64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mt19937x64").field("at", &self.at).finish_non_exhaustive()
    }
}

const WORDS: usize = 312;
const SHIFT: usize = 156;
const UPPER: u64 = u64::MAX << 31;

#[cfg(test)]
mod tests {
    use super::*;

    /// The C++ standard, [rand.predef], names this number.
    #[test]
    fn the_ten_thousandth_number_is_the_published_one() {
        let mut generator = Mt19937x64::new(5489);
        let last = (0..10_000).map(|_| generator.next_u64()).last();
        assert_eq!(last, Some(9_981_545_732_273_789_042));
    }
}
