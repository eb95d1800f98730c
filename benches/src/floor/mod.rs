//! Minimal loops: what no implementation of a workload can avoid doing, and nothing else.
//!
//! They decide nothing and check nothing, so a ratio of 1 is out of reach by intent. They keep the
//! two properties that a pure core must have: identifiers are looked up with a keyed hash (peers
//! choose them), and what is random follows from a seed.

pub mod alias;
pub mod network;
pub mod vote;
pub mod walk;

/// A generator of the least cost that is still good enough to sample with (SplitMix64).
#[derive(Clone, Debug)]
pub struct SplitMix(u64);

impl SplitMix {
    /// Starts at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`; the bias of at most `bound / 2^32` does not matter to a floor.
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.next_u64() >> 32) * u64::from(bound)) >> 32) as u32
    }
}
