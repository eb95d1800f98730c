//! What waits to be sent, over all peers.

use avalanche_consensus::NodeId;

use super::pools::Pools;
use super::{PoolConfig, Stake};
use crate::wire::Class;

/// Accounts for the bytes in the outbound queues of all peers, so that slow peers cannot fill the
/// memory (AvalancheGo's `network/throttling/outbound_msg_throttler.go`). What does not fit is
/// dropped, never queued.
///
/// Control and consensus frames may use [`OutboundBudget::URGENT_BYTES`] more of the at-large pool
/// for each peer than other frames, so that an application cannot crowd out votes. AvalancheGo has
/// one limit for all.
///
/// # Limits
///
/// Memory is linear in the peers that have something waiting. A call is O(log n).
#[derive(Clone, Debug)]
pub struct OutboundBudget {
    pools: Pools,
    refused: u64,
}

impl OutboundBudget {
    /// What control and consensus frames may take besides: 256 KiB a peer.
    pub const URGENT_BYTES: u64 = 256 << 10;

    /// Nothing waits.
    #[must_use]
    pub const fn new(config: PoolConfig) -> Self {
        Self { pools: Pools::new(config), refused: 0 }
    }

    /// Takes the bytes of a frame for `node`; false, and nothing is taken, if they do not fit.
    #[must_use = "a frame without budget is not to be queued"]
    pub fn acquire(&mut self, node: NodeId, class: Class, bytes: usize, stake: Stake) -> bool {
        let extra = match class {
            Class::Control | Class::Consensus => Self::URGENT_BYTES,
            Class::Sync | Class::App => 0,
        };
        let bytes = bytes as u64;
        let amounts = self.pools.available(&node, bytes, stake, extra);
        let fits = amounts.sum() == bytes;
        if fits {
            self.pools.take(node, amounts);
        } else {
            self.refused += 1;
        }
        fits
    }

    /// Gives back the bytes of frames that were written, or cleared.
    pub fn release(&mut self, node: &NodeId, bytes: usize) {
        self.pools.release(node, bytes as u64);
    }

    /// Frames that were refused so far.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Bytes that are left: at large, for validators.
    #[must_use]
    pub const fn left(&self) -> (u64, u64) {
        let left = self.pools.left();
        (left.at_large, left.validator)
    }

    /// Peers that have something waiting.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.pools.nodes()
    }
}

impl Default for OutboundBudget {
    fn default() -> Self {
        Self::new(PoolConfig::OUTBOUND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    const CONFIG: PoolConfig =
        PoolConfig { at_large: 1_000, node_at_large_max: 400, validators: 1_000 };

    fn node(byte: u8) -> NodeId {
        NodeId::new([byte; 20])
    }

    #[test]
    fn at_large_goes_first_then_stake_and_the_rest_is_refused_whole() {
        let mut budget = OutboundBudget::new(CONFIG);
        let (half, none) = (Stake::new(1, 2), Stake::NONE);
        // Node, bytes, stake, fits, left at large, left for validators.
        let steps = [
            (1, 300, none, true, 700, 1_000),
            (1, 101, none, false, 700, 1_000),
            (1, 100, none, true, 600, 1_000),
            (2, 900, half, true, 200, 500),
            (2, 1, half, false, 200, 500),
            (3, 201, none, false, 200, 500),
            (3, 200, none, true, 0, 500),
            (4, 1, none, false, 0, 500),
            (4, 500, half, true, 0, 0),
        ];
        for (name, bytes, stake, fits, at_large, validators) in steps {
            let class = Class::App;
            assert_eq!(budget.acquire(node(name), class, bytes, stake), fits, "{name} {bytes}");
            assert_eq!(budget.left(), (at_large, validators), "{name} {bytes}");
        }
        assert_eq!(budget.refused(), 4);
        // Back to the validators' pool first.
        budget.release(&node(2), 600);
        assert_eq!(budget.left(), (100, 500));
        for (name, bytes) in [(1, 9_999), (2, 300), (3, 200), (4, 500), (5, 7)] {
            budget.release(&node(name), bytes);
        }
        assert_eq!((budget.left(), budget.nodes()), ((1_000, 1_000), 0));
    }

    #[test]
    fn votes_pass_where_an_application_has_filled_its_part() {
        let mut budget = OutboundBudget::default();
        let fill = |budget: &mut OutboundBudget, class| {
            let frame = 64 << 10;
            (0..100).filter(|_| budget.acquire(node(1), class, frame, Stake::NONE)).count()
        };
        assert_eq!(fill(&mut budget, Class::App), 32);
        assert_eq!(fill(&mut budget, Class::Sync), 0);
        assert_eq!(fill(&mut budget, Class::Consensus), 4);
        assert_eq!(fill(&mut budget, Class::Control), 0);
    }

    /// Against sums by hand: nothing leaks, and no pool or peer is over its limit.
    #[test]
    fn sums_hold_for_any_order_of_calls() {
        let counts = [Cell::new(0_u32), Cell::new(0), Cell::new(0)];
        let bump = |at: usize| counts[at].set(counts[at].get() + 1);
        let steps = prop::collection::vec((any::<bool>(), 0_u8..4, 0_usize..500), 1..80);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        runner
            .run(&steps, |steps| {
                let mut budget = OutboundBudget::new(CONFIG);
                let mut frames: [Vec<usize>; 4] = Default::default();
                for (acquire, name, bytes) in steps {
                    let held = &mut frames[usize::from(name)];
                    let stake = Stake::new(u64::from(name), 6);
                    if acquire && budget.acquire(node(name), Class::App, bytes, stake) {
                        held.push(bytes);
                        bump(0);
                        let limit = CONFIG.node_at_large_max + stake.part_of(CONFIG.validators);
                        prop_assert!(held.iter().sum::<usize>() as u64 <= limit);
                    } else if let Some(bytes) = held.pop() {
                        budget.release(&node(name), bytes);
                        bump(1);
                    } else {
                        bump(2);
                    }
                    let used: usize = frames.iter().flatten().sum();
                    let (at_large, validators) = budget.left();
                    prop_assert_eq!(used as u64, 2_000 - at_large - validators);
                }
                Ok(())
            })
            .expect("sums hold");
        assert!(counts.iter().all(|count| count.get() > 100), "{counts:?}");
    }
}
