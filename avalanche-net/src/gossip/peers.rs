//! Whom to tell.

use avalanche_consensus::NodeId;
use avalanche_consensus::sampler::Source;

/// A connected peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GossipPeer {
    /// Who it is.
    pub node: NodeId,
    /// Its stake; zero if it is no validator.
    pub weight: u64,
}

/// Draws up to `count` different peers for which `skip` is false, validators by stake first, then
/// the others uniformly. Equal numbers from `source` give equal peers.
///
/// Costs O(count · peers).
pub fn sample_by_stake<S: Source + ?Sized>(
    peers: &[GossipPeer],
    skip: impl Fn(&NodeId) -> bool,
    count: usize,
    source: &mut S,
) -> Vec<NodeId> {
    let mut left: Vec<_> = peers.iter().filter(|peer| !skip(&peer.node)).collect();
    let mut drawn = Vec::with_capacity(count.min(left.len()));
    while drawn.len() < count && !left.is_empty() {
        let total: u128 = left.iter().map(|peer| u128::from(peer.weight)).sum();
        let at = if total == 0 {
            usize::try_from(below(left.len() as u128, source)).unwrap_or(0)
        } else {
            let mut unit = below(total, source);
            let owns = |peer: &&GossipPeer| {
                let weight = u128::from(peer.weight);
                let owned = unit < weight;
                unit = unit.saturating_sub(weight);
                owned
            };
            left.iter().position(owns).unwrap_or(0)
        };
        drawn.push(left.swap_remove(at).node);
    }
    drawn
}

/// A number below `bound`, which is not zero. The bias is below `bound / 2^128`.
fn below<S: Source + ?Sized>(bound: u128, source: &mut S) -> u128 {
    let number = u128::from(source.next_u64()) << 64 | u128::from(source.next_u64());
    number.checked_rem(bound).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::SeedStream;
    use std::collections::{BTreeMap, BTreeSet};

    fn peer(byte: u8, weight: u64) -> GossipPeer {
        GossipPeer { node: NodeId::new([byte; 20]), weight }
    }

    #[test]
    fn peers_are_drawn_by_stake_each_once_and_those_without_last() {
        let peers = [peer(1, 1), peer(2, 3), peer(3, 0), peer(4, 0), peer(5, 12)];
        let mut source = SeedStream::new(&[1; 32]);
        let mut firsts = BTreeMap::new();
        for _ in 0..16_000 {
            let drawn = sample_by_stake(&peers, |_| false, 9, &mut source);
            assert_eq!(drawn.len(), 5);
            assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 5);
            let weights = drawn.iter().map(|node| {
                peers.iter().find(|peer| peer.node == *node).map_or(0, |peer| peer.weight)
            });
            let zeros: Vec<_> = weights.map(|weight| weight == 0).collect();
            assert_eq!(zeros, [false, false, false, true, true]);
            *firsts.entry(drawn[0].as_bytes()[0]).or_insert(0) += 1;
        }
        for (byte, expected) in [(1, 1_000_i32), (2, 3_000), (5, 12_000)] {
            let count: i32 = firsts[&byte];
            assert!((count - expected).abs() < 200, "{firsts:?}");
        }
    }

    #[test]
    fn those_to_be_skipped_are_and_fewer_than_asked_for_is_fine() {
        let peers = [peer(1, 1), peer(2, u64::MAX), peer(3, u64::MAX)];
        let skip = |node: &NodeId| *node == peers[1].node;
        let mut source = SeedStream::new(&[2; 32]);
        let mut drawn = sample_by_stake(&peers, skip, 3, &mut source);
        drawn.sort_unstable();
        assert_eq!(drawn, [peers[0].node, peers[2].node]);
        assert!(sample_by_stake(&peers, skip, 0, &mut source).is_empty());
        assert!(sample_by_stake(&[], skip, 3, &mut source).is_empty());
    }
}
