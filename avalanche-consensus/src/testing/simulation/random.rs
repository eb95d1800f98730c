//! Where everything random of a simulation comes from.

use std::time::Duration;

use crate::Id;

/// A fast generator of good enough numbers (SplitMix64: Steele, Lea and Flood, 2014).
///
/// A simulation has several, one for each concern, so that leaving out a fault changes as little as
/// possible of the rest.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of one concern of a seed.
    #[must_use]
    pub fn new(seed: u64, concern: &str) -> Self {
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = seed_of(seed, concern);
        Self(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]))
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`, or 0 if that is 0. The bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.number()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// An index below `bound`, or 0 if that is 0.
    pub fn index(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }

    /// Whether something happens that happens this often in a thousand times.
    pub fn chance(&mut self, permille: u32) -> bool {
        self.below(1_000) < u64::from(permille)
    }

    /// A duration between two, which are both possible.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let spread = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(u64::MAX);
        least + Duration::from_nanos(self.below(spread.saturating_add(1)))
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.index(of.len())).copied()
    }

    /// A name that nobody else has.
    pub fn id(&mut self) -> Id {
        Id::hash(&self.number().to_le_bytes())
    }
}

/// Thirty-two bytes for one concern of a seed.
pub(super) fn seed_of(seed: u64, concern: &str) -> [u8; 32] {
    let material = [&seed.to_le_bytes(), concern.as_bytes()].concat();
    blake3::derive_key("avalanche/consensus/simulation/v1", &material)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concerns_of_a_seed_have_numbers_of_their_own() {
        let first = |seed, concern| Random::new(seed, concern).number();
        assert_eq!(first(1, "latency"), first(1, "latency"));
        assert_ne!(first(1, "latency"), first(2, "latency"));
        assert_ne!(first(1, "latency"), first(1, "votes"));
    }

    #[test]
    fn draws_stay_in_their_range_and_reach_its_ends() {
        let mut random = Random::new(1, "test");
        let (mut least, mut most, mut happened) = (u64::MAX, 0, 0);
        let (short, long) = (Duration::from_nanos(5), Duration::from_nanos(7));
        let mut durations = std::collections::BTreeSet::new();
        for _ in 0..10_000 {
            let drawn = random.below(10);
            (least, most) = (least.min(drawn), most.max(drawn));
            happened += u32::from(random.chance(250));
            durations.insert(random.between(short, long));
        }
        assert_eq!((least, most, durations.len()), (0, 9, 3));
        assert!((2_300..2_700).contains(&happened), "{happened} of 10000 at 25 %");
        assert_eq!((random.below(0), random.index(0), random.pick::<u8>(&[])), (0, 0, None));
        assert_eq!(random.between(long, short), long);
    }
}
