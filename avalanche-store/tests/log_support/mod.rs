//! What the tests of the block log share.

use avalanche_consensus::Id;
use avalanche_store::{LogConfig, Retention};

/// The folder on simulated disks.
pub(crate) const DIR: &str = "log";

/// Small segments, and files that depend on nothing but their content.
pub(crate) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1500,
        block_bytes_max: 1 << 20,
        retention: Retention::Prune,
        open_segments_max: 2,
        torn_bytes_max: 1 << 16,
        identity_seed: Some([5; 32]),
    }
}

/// The id of the block at a height; another one in each epoch.
pub(crate) fn id(height: u64, epoch: u64) -> Id {
    Id::hash(&[height.to_le_bytes(), epoch.to_le_bytes()].concat())
}

/// Bytes that follow from a number.
pub(crate) fn body(seed: u64, bytes: usize) -> Vec<u8> {
    let mut random = Lcg::new(seed);
    (0..bytes).map(|_| random.below(256).to_le_bytes()[0]).collect()
}

/// Numbers that follow from a seed.
pub(crate) struct Lcg(u64);

impl Lcg {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
