//! How often a peer can pull.

use std::collections::BTreeMap;

use avalanche_consensus::{NodeId, Timestamp};

use crate::throttle::TokenBucket;

/// Requests of each peer, of at most `max` peers. Those that have not asked for a while are
/// forgotten when room is needed; if nobody can be, a new peer is refused.
#[derive(Debug)]
pub(super) struct PullThrottle {
    buckets: BTreeMap<NodeId, TokenBucket>,
    rate: u64,
    max: usize,
}

impl PullThrottle {
    pub(super) const fn new(rate: u64, max: usize) -> Self {
        Self { buckets: BTreeMap::new(), rate, max }
    }

    /// Counts a request, and says whether to answer it.
    pub(super) fn allows(&mut self, node: NodeId, now: Timestamp) -> bool {
        if !self.buckets.contains_key(&node) && self.buckets.len() >= self.max {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            if self.buckets.len() >= self.max {
                return false;
            }
        }
        let new = TokenBucket::new(self.rate, self.rate.saturating_mul(BURST_SECONDS));
        self.buckets.entry(node).or_insert(new).try_take(1, now)
    }
}

/// What can be asked at once, in seconds of the rate.
const BURST_SECONDS: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_asks_at_the_rate_after_a_burst_and_the_peers_are_bounded() {
        let mut throttle = PullThrottle::new(1, 2);
        let node = |byte| NodeId::new([byte; 20]);
        let at = |seconds: u64| Timestamp::from_millis(1_000 * seconds);
        let mut allowed = |byte, second| throttle.allows(node(byte), at(second));
        assert_eq!((0..20).filter(|_| allowed(1, 10)).count(), 8);
        assert_eq!((0..20).filter(|_| allowed(1, 13)).count(), 3);
        assert!(allowed(2, 13));
        assert!(!allowed(3, 13), "both have asked lately");
        assert!(allowed(3, 14), "the second has not for a while");
        assert!(!allowed(4, 14));
        assert_eq!((0..20).filter(|_| allowed(1, 100)).count(), 8);
    }
}
