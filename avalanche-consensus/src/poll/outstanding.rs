//! The validators that a poll has not heard from.

use crate::{Bag, NodeId};

/// Sampled validators that neither answered nor were dropped, each as often as it was sampled.
///
/// The order is that of the bag they came from, so that a poll is opened by one copy.
#[derive(Clone, Debug, Default)]
pub(super) struct Outstanding {
    validators: Vec<(NodeId, u32)>,
    missing: u32,
}

impl Outstanding {
    /// Expects all of `sampled` and nobody else. Keeps the memory.
    pub(super) fn reset(&mut self, sampled: &Bag<NodeId>) {
        self.validators.clear();
        self.validators.extend_from_slice(sampled.as_slice());
        self.missing = sampled.len();
    }

    /// Expects `validator` no more. How often it was sampled: zero if it was not, or not expected.
    pub(super) fn remove(&mut self, validator: &NodeId) -> u32 {
        let position = self.validators.binary_search_by(|(known, _)| known.cmp(validator));
        let Ok(position) = position else { return 0 };
        let (_, sampled) = self.validators.remove(position);
        self.missing = self.missing.saturating_sub(sampled);
        sampled
    }

    /// Number of answers that can still come, each counted as often as its validator was sampled.
    pub(super) const fn missing(&self) -> u32 {
        self.missing
    }
}
